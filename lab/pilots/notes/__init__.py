"""Notes on a pilot, with who wrote them and when; some are for the staff alone."""
