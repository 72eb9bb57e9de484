"""The key to telemetry: which devices, and when. Only `lab.access` makes one (I4); a test holds that."""

from bisect import bisect_right
from dataclasses import dataclass, field

from telemetry.stores.spans import merged

BEGINNING_NS = -(2**63)
END_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class GrantedSpan:
    """Settled time `[start_ns, end_ns)` of one device, nanoseconds since 1970."""

    device_id: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may see: the devices, and for each the spans of settled time."""

    spans: tuple[GrantedSpan, ...]
    uncertain: bool = False
    """Whether samples of uncertain settled time are included (staff only)."""

    _by_device: dict[str, list[tuple[int, int]]] = field(init=False, repr=False, compare=False)
    """Device → its spans in order, none of which touches another."""

    def __post_init__(self) -> None:
        spans: dict[str, list[tuple[int, int]]] = {}
        for span in self.spans:
            spans.setdefault(span.device_id, []).append((span.start_ns, span.end_ns))
        object.__setattr__(self, "_by_device", {device: merged(found) for device, found in spans.items()})

    def names(self, device_id: str) -> bool:
        """Whether anything of this device may be seen, now or at any time."""
        return device_id in self._by_device

    def spans_of(self, device_id: str, start_ns: int = BEGINNING_NS, end_ns: int = END_NS) -> list[tuple[int, int]]:
        """The parts of `[start_ns, end_ns)` of a device that may be seen, in order, none empty."""
        spans = self._by_device.get(device_id, ())
        cut = ((max(start, start_ns), min(end, end_ns)) for start, end in spans)
        return [span for span in cut if span[0] < span[1]]

    def span_at(self, device_id: str, instant_ns: int) -> tuple[int, int] | None:
        """The span of this device that contains an instant; `None`: it may not be seen."""
        spans = self._by_device.get(device_id, ())
        place = bisect_right(spans, instant_ns, key=_start) - 1
        return spans[place] if place >= 0 and instant_ns < spans[place][1] else None

    def covers(self, device_id: str, instant_ns: int) -> bool:
        """Whether this instant of this device may be seen."""
        return self.span_at(device_id, instant_ns) is not None


def _start(span: tuple[int, int]) -> int:
    return span[0]
