"""Two JSON documents compared number by number."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RELATIVE = 1e-9
"""How far apart numbers of different releases or processors may lie (invariant I6)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two documents differ."""

    place: str
    """e.g. `kpis.0.comparison.difference`."""
    then: Any
    now: Any

    @property
    def is_number(self) -> bool:
        """Whether a number is concerned, and not only words."""
        return _is_number(self.then) or _is_number(self.now)


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of comparing."""

    numbers: int
    """That stand in the first document."""
    differences: tuple[Difference, ...]


def compare(then: Any, now: Any, *, exact: bool) -> Compared:
    """Compare two JSON documents.

    Args:
        then: as it was written.
        now: as it was computed again.
        exact: whether numbers must agree to the last bit; else within `RELATIVE`, and what only `now` has by name is
            not looked at: another release may say more.
    """
    pairs = list(_leaves("", then, now, exact))
    differing = (Difference(place, a, b) for place, a, b in pairs if not _same(a, b, exact))
    return Compared(sum(_is_number(a) for _, a, _ in pairs), tuple(differing))


def _leaves(place: str, then: Any, now: Any, exact: bool) -> Iterator[tuple[str, Any, Any]]:
    """Every place where one of them has a value that is not a list or a map."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in [*then, *(name for name in now if exact and name not in then)]:
            yield from _leaves(f"{place}.{name}".lstrip("."), then.get(name), now.get(name), exact)
    elif _is_list(then) and _is_list(now):
        for index in range(max(len(then), len(now))):
            one, other = (part[index] if index < len(part) else None for part in (then, now))
            yield from _leaves(f"{place}.{index}".lstrip("."), one, other, exact)
    elif isinstance(then, Mapping) or _is_list(then):
        yield from _leaves(place, then, {} if isinstance(then, Mapping) else [], exact)
        yield place, "(list or map)", now
    elif isinstance(now, Mapping) or _is_list(now):
        yield place, then, "(list or map)"
    else:
        yield place, then, now


def _same(then: Any, now: Any, exact: bool) -> bool:
    if _is_number(then) and _is_number(now):
        return then == now if exact else math.isclose(then, now, rel_tol=RELATIVE, abs_tol=RELATIVE)
    return type(then) is type(now) and bool(then == now)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
