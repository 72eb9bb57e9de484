"""Machines that do not exist: the same messages as real ones, seeded, with faults on demand and a known truth."""
