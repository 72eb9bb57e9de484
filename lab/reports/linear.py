"""The effect of a treatment by ordinary least squares: `y ~ 1 + treatment + nuisances`.

With no nuisance it is the difference of means; with a column for each block but one it is the mean of the differences
within blocks (for pairs: Student's paired test); with a column of places in the order it allows for a steady drift. For
complete blocks the estimate, its error and its degrees of freedom are those of the mixed model
`y ~ treatment + (1 | block)`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

_RANK = 1e-9


@dataclass(frozen=True, slots=True)
class Fit:
    """An estimated effect."""

    effect: float
    """Treatment less baseline, in the unit of the numbers."""
    error: float
    """Standard error of the effect, with one spread for all runs."""
    df: int
    """Degrees of freedom that are left for the spread; < 1: none."""
    sd: float
    """What runs differ by when treatment and nuisances are taken away; NaN where `df` < 1."""
    weights: Array
    """(n,): the effect is `weights @ values`."""
    residuals: Array
    """(n,)"""
    leverages: Array
    """(n,), 0 … 1; at 1 a run has a column of its own and says nothing about the effect."""


def fit_effect(values: Sequence[float] | Array, treated: Sequence[bool], nuisances: Array | None = None) -> Fit | None:
    """Estimate the effect of a treatment.

    Args:
        values: (n,), one number a run.
        treated: (n,), whether the run was of the treatment.
        nuisances: (n, k), what else may matter; columns that say the same as others do no harm.

    Returns:
        `None` where the nuisances leave nothing of the treatment: no block has both arms.
    """
    y, treatment = np.asarray(values, float), np.asarray(treated, float)
    others = np.ones((len(y), 1)) if nuisances is None else np.column_stack([np.ones(len(y)), nuisances])
    basis = _basis(others)
    own = treatment - basis @ (basis.T @ treatment)
    size = float(own @ own)
    if size <= _RANK:
        return None
    weights = own / size
    shape = np.column_stack([basis, own / math.sqrt(size)])
    centred = y - y.mean()  # large levels cost digits
    residuals = centred - shape @ (shape.T @ centred)
    df = len(y) - shape.shape[1]
    sd = math.sqrt(float(residuals @ residuals) / df) if df > 0 else math.nan
    return Fit(
        effect=float(weights @ centred),
        error=sd / math.sqrt(size),
        df=df,
        sd=sd,
        weights=weights,
        residuals=residuals,
        leverages=np.minimum(1.0, (shape**2).sum(axis=1)),
    )


def block_columns(labels: Sequence[str]) -> Array:
    """(n, blocks): 1 where a run is of a block."""
    names = sorted(set(labels))
    return np.array([[float(label == name) for name in names] for label in labels])


def _basis(columns: Array) -> Array:
    """Orthonormal columns that span the same space."""
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, sizes > _RANK * sizes.max()]
