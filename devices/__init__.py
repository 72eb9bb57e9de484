"""What the lab owns: the catalogue of devices, their signals, and the wire formats they speak."""
