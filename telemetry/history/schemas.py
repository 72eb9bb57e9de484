"""What the endpoints of histories answer."""

from pydantic import BaseModel


class SignalHistoryAnswer(BaseModel):
    """One signal over a span."""

    reduced: bool
    """False: every sample is there. True: `points` tell what lies between two of them."""
    points: list[tuple[float, float | str] | tuple[float, float, float]]
    """`[t_ms, value]`, or `[t_ms, low, high]` from that instant on to the next one; milliseconds since 1970."""


class HistoryAnswer(BaseModel):
    """Signals of a device in `[start, end)`, as many points as a chart can show."""

    device: str
    start: str
    end: str
    width_px: int
    signals: dict[str, SignalHistoryAnswer]


class Stretch(BaseModel):
    """Time without a long silence; both ends are samples."""

    boot: str
    first: str
    last: str
    count: int
    longest_gap_s: float


class CoverageAnswer(BaseModel):
    """From when to when there are samples of each signal in `[start, end)`."""

    device: str
    start: str
    end: str
    signals: dict[str, list[Stretch]]
