"""What machines say under names that the catalogue does not know, and how an engineer makes it known."""
