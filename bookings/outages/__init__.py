"""When a device cannot be used: planned, recurring and unplanned outages."""
