"""Clocks of devices as people see them: what is believed, what is doubted, and the times that engineers assign."""
