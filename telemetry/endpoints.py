"""Telemetry over HTTP. Every answer is cut to the grant of whoever asks (I4)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from devices.messages.times import format_time
from lab.core.errors import ForbiddenError, InvalidError, UnauthenticatedError
from lab.core.http import ClockDep, DatabaseDep
from lab.core.time import EmptySpanError
from lab.people.endpoints import PrincipalDep, principal_of
from telemetry import queries, schemas
from telemetry.granting import GrantDep, grant_of
from telemetry.grants import Grant
from telemetry.history.reading import read_past, signal_types
from telemetry.live.facts import facts_of
from telemetry.live.frames import Shown
from telemetry.live.hub import LiveHub
from telemetry.live.response import LiveResponse
from telemetry.live.rings import DeviceFacts
from telemetry.live.viewing import Viewing
from telemetry.stores.interface import SampleStore

MOST_SAMPLES = 100_000
"""Rows in one answer of raw samples."""
MOST_BUCKETS = 10_000
"""Buckets of one signal in one answer."""
MOST_EVENTS = 10_000
"""Events in one answer."""
MOST_CATCH_UP_S = 3600
"""Of stored time with which a live stream may begin."""
_DEFAULT_SPAN_NS = 3600 * 1_000_000_000
_USUAL_BUCKETS = 1000

_EVENT_SCHEMA = {
    "type": "object",
    "properties": {
        "data": {"type": "string"},
        "event": {"type": "string"},
        "id": {"type": "string"},
        "retry": {"type": "integer", "minimum": 0},
    },
}
"""Of Server-Sent Events, as OpenAPI 3.2 describes a stream."""

router = APIRouter(prefix="/api/v1", tags=["telemetry"])


class TooManyBucketsError(InvalidError):
    """So narrow buckets over so long a span make too large an answer. Facts: `field`, `rule`, `limit`, `nearest`."""


def store_of(request: Request) -> SampleStore:
    """The store of samples."""
    return cast(SampleStore, request.app.state.store)


def live_of(request: Request) -> LiveHub:
    """The hub of live streams."""
    return cast(LiveHub, request.app.state.live)


StoreDep = Annotated[SampleStore, Depends(store_of)]
LiveDep = Annotated[LiveHub, Depends(live_of)]
Signals = Annotated[list[str] | None, Query(description="Name of a signal; repeat it for several; none: all.")]
Start = Annotated[
    str | None, Query(description="First instant, RFC 3339 with a zone; without it, an hour before the end.")
]
End = Annotated[
    str | None, Query(description="First instant that is not wanted any more; without it, the present one.")
]


def asked_span(clock: ClockDep, start: Start = None, end: End = None) -> tuple[int, int]:
    """The span `[start, end)` of a request in nanoseconds.

    Raises:
        NaiveTimeError, TimeNotUnderstoodError, EmptySpanError: naming the field.
    """
    end_ns = clock.now_ns() if end is None else schemas.instant_ns(end, field="end")
    start_ns = end_ns - _DEFAULT_SPAN_NS if start is None else schemas.instant_ns(start, field="start")
    if end_ns <= start_ns:
        raise EmptySpanError(
            f"the end {format_time(end_ns)} is not after the start {format_time(start_ns)}",
            field="end",
            rule="end-after-start",
        )
    return start_ns, end_ns


SpanDep = Annotated[tuple[int, int], Depends(asked_span)]


@router.get("/devices/{device}/samples")
def get_samples(
    device: str, grant: GrantDep, store: StoreDep, span: SpanDep, signal: Signals = None
) -> schemas.SamplesAnswer:
    """Raw samples, at most 100,000; for longer spans there are buckets."""
    found = queries.read_raw(store, grant, device, signal or [], *span, limit=MOST_SAMPLES)
    return schemas.SamplesAnswer.model_construct(
        device=device,
        start=format_time(span[0]),
        end=format_time(span[1]),
        signals=schemas.samples_by_signal(found),
    )


@router.get("/devices/{device}/buckets")
def get_buckets(
    device: str,
    grant: GrantDep,
    store: StoreDep,
    span: SpanDep,
    signal: Annotated[list[str], Query(min_length=1, max_length=20, description="Name; repeat it for several.")],
    width_ms: Annotated[
        int | None, Query(ge=1, le=10**12, description="Width of a bucket; without it, about 1000 buckets.")
    ] = None,
) -> schemas.BucketsAnswer:
    """Minimum, maximum, mean and count of number signals in buckets of equal width, at most 10,000 of each signal."""
    length_ms = -(-(span[1] - span[0]) // 1_000_000)
    width_ms = width_ms or max(1, -(-length_ms // _USUAL_BUCKETS))
    if length_ms > MOST_BUCKETS * width_ms:
        narrowest = -(-length_ms // MOST_BUCKETS)
        raise TooManyBucketsError(
            f"buckets of {width_ms} ms over this span would be more than {MOST_BUCKETS}; take at least {narrowest} ms",
            field="width_ms",
            rule="most-buckets",
            limit=MOST_BUCKETS,
            nearest=narrowest,
        )
    return schemas.BucketsAnswer(
        device=device,
        start=format_time(span[0]),
        end=format_time(span[1]),
        width_ms=width_ms,
        signals={
            name: schemas.buckets_by_column(
                queries.read_buckets(store, grant, device, name, *span, width_ns=width_ms * 1_000_000)
            )
            for name in signal
        },
    )


@router.get("/devices/{device}/latest")
def get_latest(device: str, grant: GrantDep, store: StoreDep) -> schemas.LatestAnswer:
    """The newest sample of each signal."""
    found = queries.last_values(store, grant, device)
    return schemas.LatestAnswer(device=device, values=schemas.latest_by_signal(found))


@router.get("/devices/{device}/events")
def get_events(
    device: str,
    grant: GrantDep,
    database: DatabaseDep,
    span: SpanDep,
    kind: Annotated[list[str] | None, Query(description="Name of an event, or state; none: all.")] = None,
) -> schemas.EventsAnswer:
    """What the machine reported, in order of time, at most 10,000."""
    with database.read() as session:
        found = queries.events(session, grant, device, *span, kind or [], limit=MOST_EVENTS)
    return schemas.EventsAnswer(
        device=device,
        start=format_time(span[0]),
        end=format_time(span[1]),
        events=[schemas.event_answer(event) for event in found],
    )


@router.get("/devices/{device}/completeness")
def get_completeness(
    device: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    boot: Annotated[str, Query(max_length=64, description="As the device names it in its messages.")],
    first_seq: Annotated[int, Query(ge=0)],
    last_seq: Annotated[int, Query(ge=0)],
) -> schemas.CompletenessAnswer:
    """Which of a boot's messages `first_seq … last_seq` have been received and stored. For the lab's staff."""
    with database.read() as session:
        found = queries.completeness_of(session, principal, device, boot, first_seq, last_seq)
    return schemas.completeness_answer(found)


def present_grant(device: str, grant: GrantDep, clock: ClockDep) -> Grant:
    """The grant of somebody who opens a live stream; refused before the stream begins.

    Raises:
        DeviceNotVisibleError: if the present instant is not theirs.
    """
    if not grant.covers(device, clock.now_ns()):
        raise queries.not_visible(device)
    return grant


@router.get(
    "/devices/{device}/live",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"itemSchema": _EVENT_SCHEMA}}}},
)
async def watch_device(
    request: Request,
    device: str,
    live: LiveDep,
    store: StoreDep,
    database: DatabaseDep,
    clock: ClockDep,
    grant: Annotated[Grant, Depends(present_grant)],
    signal: Signals = None,
    catch_up_s: Annotated[
        int, Query(ge=0, le=MOST_CATCH_UP_S, description="Begin with what is stored of so many seconds.")
    ] = 0,
) -> LiveResponse:
    """Values as they come, as Server-Sent Events `values`, `status` and `end` (see `telemetry.live`).

    A company sees them while its own slot runs. With `catch_up_s`, the first event begins with what is stored.
    """

    def read_stored() -> Mapping[str, Sequence[Shown]]:
        now_ns = clock.now_ns()
        with database.read() as session:
            types = signal_types(session, device)
        past_ns = now_ns - catch_up_s * 1_000_000_000
        return read_past(store, grant, device, signal or [], past_ns, now_ns + 1, types=types)

    def look_again() -> Grant | None:
        try:
            principal = principal_of(request, database, clock)
            return grant_of(request, principal, database)
        except (UnauthenticatedError, ForbiddenError):
            return None

    def learn(heard: frozenset[str]) -> DeviceFacts:
        with database.read() as session:
            return facts_of(session, device, heard)

    viewing = Viewing(device, grant, look_again, learn, frozenset(signal or ()), read_stored if catch_up_s else None)
    return LiveResponse(live.stream(viewing))
