"""What the investment is worth by what the pilot has shown, and who paid for the pilot (domain.md §5)."""
