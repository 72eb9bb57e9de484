"""Histories over HTTP. Every answer is cut to the grant of whoever asks (I4)."""

import re
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from devices.messages.times import format_time
from lab.core.http import DatabaseDep
from lab.people.endpoints import PrincipalDep
from telemetry.endpoints import Signals, SpanDep, StoreDep
from telemetry.granting import GrantDep
from telemetry.history.downloads import FILES, DownloadPlaces, DownloadResponse, Format, as_rows_of_a_file, begun
from telemetry.history.reading import read_history, signal_types
from telemetry.history.schemas import CoverageAnswer, HistoryAnswer, Stretch
from telemetry.queries import visible_spans

MOST_STRETCHES = 10_000
"""Stretches in one answer of coverage."""

router = APIRouter(prefix="/api/v1", tags=["telemetry"])


def places_of(request: Request) -> DownloadPlaces:
    """Who downloads how much at present."""
    return cast(DownloadPlaces, request.app.state.downloads)


PlacesDep = Annotated[DownloadPlaces, Depends(places_of)]
SomeSignals = Annotated[
    list[str], Query(alias="signal", min_length=1, max_length=20, description="Name; repeat it for several.")
]


@router.get("/devices/{device}/history", response_model=HistoryAnswer)
def get_history(
    device: str,
    grant: GrantDep,
    store: StoreDep,
    database: DatabaseDep,
    span: SpanDep,
    signals: SomeSignals,
    width_px: Annotated[int, Query(ge=2, le=8000, description="How wide the chart is.")] = 1200,
) -> Response:
    """Any span at any width: every sample, or the least and greatest value of each part, at most two a pixel."""
    visible_spans(grant, device, *span)  # before anything is read of the device
    with database.read() as session:
        types = signal_types(session, device)
    found = {
        name: read_history(store, grant, device, name, *span, width_px=width_px, kind=types.get(name, "number"))
        for name in signals
    }
    answer = {
        "device": device,
        "start": format_time(span[0]),
        "end": format_time(span[1]),
        "width_px": width_px,
        "signals": found,
    }
    return Response(msgspec.json.encode(answer), media_type="application/json")  # ten times faster than by its model


@router.get(
    "/devices/{device}/download",
    response_class=Response,
    responses={200: {"description": "The file.", "content": {kind.media_type: {} for kind in FILES.values()}}},
)
def download_samples(
    request: Request,
    device: str,
    principal: PrincipalDep,
    grant: GrantDep,
    store: StoreDep,
    places: PlacesDep,
    span: SpanDep,
    signal: Signals = None,
    format: Annotated[Format, Query(description="csv, parquet, or arrow (an IPC stream).")] = "csv",
) -> DownloadResponse:
    """Every sample of any span as a file, sorted by signal and time, sent as it is read; two at a time for a person.

    Columns: device, signal, time (settled), value (numbers, booleans as 0 and 1), text, boot, device_time, received,
    flags (sum of 1 skewed, 2 late, 4 buffered, 8 uncertain, 16 out of range). If the store goes away meanwhile, the
    connection is cut: a file that is not complete is none.
    """
    spans = visible_spans(grant, device, *span)
    kind = FILES[format]
    samples = store.stream(device, signal or [], spans, uncertain=grant.uncertain)
    places.take(principal.account_id)
    try:
        samples = begun(samples)
    except BaseException:
        places.give_back(principal.account_id)
        raise
    name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', device)}-{format_time(span[0])[:19].replace(':', '')}Z"
    return DownloadResponse(
        kind.write(as_rows_of_a_file(samples)), kind, name, done=lambda: places.give_back(principal.account_id)
    )


@router.get("/devices/{device}/coverage")
def get_coverage(
    device: str,
    grant: GrantDep,
    store: StoreDep,
    span: SpanDep,
    signal: Signals = None,
    longest_gap_s: Annotated[
        float, Query(gt=0, le=1e9, allow_inf_nan=False, description="A longer silence ends a stretch.")
    ] = 60.0,
) -> CoverageAnswer:
    """From when to when there are samples, by signal and boot; at most 10,000 stretches."""
    spans = visible_spans(grant, device, *span)
    gap_ns = max(1, round(longest_gap_s * 1e9))
    table = store.coverage(device, signal or [], spans, longest_gap_ns=gap_ns, uncertain=grant.uncertain)
    found: dict[str, list[Stretch]] = {}
    for row in table.slice(0, MOST_STRETCHES).to_pylist():
        stretch = Stretch(
            boot=row["boot"],
            first=format_time(row["first_ns"]),
            last=format_time(row["last_ns"]),
            count=row["count"],
            longest_gap_s=row["longest_gap_ns"] / 1e9,
        )
        found.setdefault(row["signal"], []).append(stretch)
    return CoverageAnswer(device=device, start=format_time(span[0]), end=format_time(span[1]), signals=found)
