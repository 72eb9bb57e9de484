"""What the product itself watches: machines without a booking, bookings without a machine, stop criteria."""
