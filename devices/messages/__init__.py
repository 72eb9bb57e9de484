"""The wire formats between machines and Pilot Lab (design.md §5): pure, and known to simulators too."""
