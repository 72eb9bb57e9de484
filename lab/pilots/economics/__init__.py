"""Does the investment pay: the company's own figures, and the arithmetic of cash flows (domain.md §5)."""
