"""The key to telemetry: which devices, and when. Only `lab.access` makes one (I4); a test holds that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from lab.core.http import DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal

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

    def spans_of(self, device_id: str, start_ns: int = BEGINNING_NS, end_ns: int = END_NS) -> list[tuple[int, int]]:
        """The parts of `[start_ns, end_ns)` of a device that may be seen, in order, none empty."""
        cut = (
            (max(span.start_ns, start_ns), min(span.end_ns, end_ns))
            for span in self.spans
            if span.device_id == device_id
        )
        return sorted(span for span in cut if span[0] < span[1])

    def covers(self, device_id: str, instant_ns: int) -> bool:
        """Whether this instant of this device may be seen."""
        return any(span.device_id == device_id and span.start_ns <= instant_ns < span.end_ns for span in self.spans)


GrantMaker = Callable[[Session, Principal], Grant]
"""What `lab.app` puts on `app.state.grant_maker`: `lab.access.service.grant_for`."""


def grant_of(request: Request, principal: PrincipalDep, database: DatabaseDep) -> Grant:
    """The grant of whoever asks, as a FastAPI dependency."""
    maker = cast(GrantMaker, request.app.state.grant_maker)
    with database.read() as session:
        return maker(session, principal)


GrantDep = Annotated[Grant, Depends(grant_of)]
