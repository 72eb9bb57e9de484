"""Measurements beside a peer or a limit, in one run on one machine (design.md §9). `make bench` runs them all."""
