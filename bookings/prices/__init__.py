"""What a slot is worth, what a company pays for it, and the public support in between (domain.md §5)."""
