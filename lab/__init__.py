"""Pilot Lab: the roof of the product and the packages that join bookings with telemetry."""
