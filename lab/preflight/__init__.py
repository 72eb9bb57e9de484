"""Whether a booking can begin: devices, signals, broker, recorder, disk."""
