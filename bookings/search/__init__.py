"""Slot search: the first spans in which everything that is needed is free under all rules."""
