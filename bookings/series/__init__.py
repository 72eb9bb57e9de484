"""Many bookings at once: recurring ones, lists of wishes, moves that make room for one another."""
