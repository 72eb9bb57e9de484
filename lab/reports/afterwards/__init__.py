"""After the report: the company accepts it, and is asked 6 and 12 months later what became of it (domain.md §2)."""
