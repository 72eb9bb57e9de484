"""How often each fault is tried: three times with `make test`, in short forms; all of them with `make faults`."""

import pytest

SHORT = 3
"""Seeds below this are tried with `make test`, and are short."""
FULL = 20


def seeds(full: int = FULL) -> list[object]:
    """Seeds from 0, for `parametrize`; those that are not short are for `make faults` alone."""
    return [*range(SHORT), *(pytest.param(seed, marks=pytest.mark.faults_long) for seed in range(SHORT, full))]
