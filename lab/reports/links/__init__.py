"""Links by which somebody without an account reads one report: they end by themselves, and can be closed."""
