"""Enquiries: how a company's question reaches the lab, and becomes a pilot or goes on to a partner (domain.md §2)."""
