"""How a typical run of each arm went, signal by signal."""
