"""From the databases to the content of a data set: only what the pilot's own company may see (I4)."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy.orm import Session

from devices.models import Device, Signal
from devices.service import get_device
from lab.access.service import grant_for
from lab.core.time import to_nanoseconds
from lab.people.principals import Principal, Role
from lab.pilots import service as pilots
from lab.pilots.documents.service import chosen_documents, file_of
from lab.pilots.models import Pilot, Plan, Run
from lab.pilots.notes.repository import notes_for_report
from lab.reports import repository
from lab.reports.errors import PilotUnfinishedError
from lab.reports.photos import sealed_content, sealed_path
from lab.reports.sealed import (
    SealedAttachment,
    SealedBooking,
    SealedDevice,
    SealedEvent,
    SealedMessages,
    SealedNote,
    SealedPilot,
    SealedPlanVersion,
    SealedRun,
    SealedSignal,
)
from lab.reports.sealing import DataSetContent, SamplesOf
from telemetry import queries
from telemetry.grants import Grant
from telemetry.models import MachineEvent
from telemetry.sequences import completeness
from telemetry.stores.interface import SampleStore

ROWS_TOGETHER = 250_000
"""Of one or several signals, read at once."""


def grant_of_company(session: Session, pilot: Pilot) -> Grant:
    """What the pilot's own company may see: its occupancies, nothing of uncertain time."""
    return grant_for(session, Principal("system", pilot.organisation_id, Role.MEMBER, "Pilot Lab"))


def gather(
    session: Session,
    pilot: Pilot,
    *,
    version: int,
    time_zone: str,
    lab_address: str = "",
    now: datetime,
    data_dir: Path,
) -> DataSetContent:
    """Everything of a data set but the samples, as it is now.

    Args:
        session: to read with.
        pilot: whose data.
        version: of the data set.
        time_zone: of the lab, IANA.
        lab_address: of the lab, one line; empty: not stated.
        now: the moment of sealing.
        data_dir: the data folder, where documents are.

    Raises:
        PilotUnfinishedError: if a run is neither made nor excluded, or none was made.
        PlanMissingError: if the plan is not locked.
        PlanAlteredError: if the stored plan is not what was locked.
    """
    row, plan = pilots.locked_plan(session, pilot.id)
    runs = gather_runs(session, pilot.id)
    names = sorted(plan.devices() | {part.device for run in runs for part in run.messages})
    grant = grant_of_company(session, pilot)
    attached = gather_attachments(session, pilot.id)
    former = tuple((_version(session, one), one.document) for one in pilots.former_plans(session, pilot.id))
    assert row.locked_at is not None
    assert row.sha256 is not None
    return DataSetContent(
        pilot=SealedPilot(
            pilot_id=pilot.id,
            number=pilot.number,
            title=pilot.title,
            question=pilot.question,
            customer=repository.organisation_name(session, pilot.organisation_id) or pilot.organisation_id,
            lab_name=repository.lab_name(session) or "Pilot Lab",
            lab_address=lab_address.strip() or None,
            time_zone=time_zone,
            sealed_at=now,
            data_set_version=version,
            plan_version=row.version,
            plan_locked_at=row.locked_at,
            plan_locked_by=_locked_by(session, row),
            plan_sha256=row.sha256,
            bookings=_bookings(session, pilot.id, runs),
            attachments=tuple(attached.values()),
            notes=tuple(
                SealedNote(text=note.text, name=note.name, written_at=note.written_at)
                for note in notes_for_report(session, pilot.id)
            ),
        ),
        plan_document=row.document,
        former=former,
        runs=runs,
        events=tuple(event for run in runs for event in _events(session, grant, run)),
        devices=tuple(_device(get_device(session, name)) for name in names),
        attached={
            sealed.path: partial(_content, file_of(data_dir, document), document.kind)
            for document, sealed in zip(chosen_documents(session, pilot.id), attached.values(), strict=True)
        },
    )


def _version(session: Session, row: Plan) -> SealedPlanVersion:
    assert row.locked_at is not None
    assert row.sha256 is not None
    return SealedPlanVersion(
        version=row.version, locked_at=row.locked_at, locked_by=_locked_by(session, row), sha256=row.sha256
    )


def _locked_by(session: Session, row: Plan) -> str:
    return repository.account_name(session, row.locked_by or "") or row.locked_by or ""


def gather_attachments(session: Session, pilot_id: str) -> dict[str, SealedAttachment]:
    """The documents that are chosen for the report as they are now, by their ids, in the order of adding."""
    return {
        document.id: SealedAttachment(
            path=sealed_path(number, document.name, document.kind), kind=document.kind, caption=document.caption,
            alt_text=document.alt_text, added_by=document.added_by_name, added_at=document.added_at,
        )
        for number, document in enumerate(chosen_documents(session, pilot_id), start=1)
    }  # fmt: skip


def _content(path: Path, kind: str) -> bytes:
    return sealed_content(path.read_bytes(), kind)


def gather_runs(session: Session, pilot_id: str) -> tuple[SealedRun, ...]:
    """A pilot's runs, in planned order, with what came of their messages.

    Raises:
        PilotUnfinishedError: if a run is neither made nor excluded, or none was made.
    """
    runs = pilots.planned_runs(session, pilot_id)
    waiting = unfinished_runs(runs)
    if waiting or not any(run.ended_at for run in runs):
        numbers = ", ".join(str(number) for number in waiting) or "all"
        raise PilotUnfinishedError(
            f"these runs are neither made nor excluded: {numbers}; make them or exclude them with a reason",
            field="runs",
            rule="all-made",
            runs=waiting,
        )
    booked = repository.booked_devices(session, bookings_of_runs(runs))
    return tuple(_run(session, run, booked.get(run.booking_id or "", [])) for run in runs)


def unfinished_runs(runs: Sequence[Run]) -> list[int]:
    """The numbers of those that are neither made nor excluded."""
    return [run.number for run in runs if run.ended_at is None and (run.excluded is None or run.started_at)]


def bookings_of_runs(runs: Sequence[Run]) -> set[str]:
    """The bookings that runs were made in."""
    return {run.booking_id for run in runs if run.booking_id is not None}


def messages_of_runs(session: Session, runs: Sequence[Run]) -> list[tuple[Run, list[SealedMessages]]]:
    """Of every run that was made, what came by now of the messages of each machine that was booked for it."""
    booked = repository.booked_devices(session, bookings_of_runs(runs))
    made = [run for run in runs if run.ended_at is not None]
    return [(run, [_messages(session, run, device) for device in booked.get(run.booking_id or "", [])]) for run in made]


def incomplete_messages(session: Session, runs: Sequence[Run]) -> list[tuple[Run, SealedMessages]]:
    """Of runs that were made, what machines sent and did not arrive, or did not say how far they had counted."""
    counting = [run for run in runs if run.excluded is None]
    found = [(run, messages) for run, parts in messages_of_runs(session, counting) for messages in parts]
    return [(run, messages) for run, messages in found if messages.missing or messages.expected is None]


def _bookings(session: Session, pilot_id: str, runs: Sequence[SealedRun]) -> tuple[SealedBooking, ...]:
    used = {run.booking_id for run in runs if run.booking_id is not None}
    return tuple(
        SealedBooking(
            id=booking.id,
            start=booking.start_at,
            end=booking.end_at,
            market_value_cents=booking.market_value_cents or 0,
            price_cents=booking.price_cents or 0,
            support_cents=booking.support_cents or 0,
            programme=programme,
            legal_basis=(booking.quote or {}).get("legal_basis", "none"),
            state_share_per_mille=share,
        )
        for booking, programme, share in repository.priced_bookings(session, pilot_id, used=used)
    )


def samples_of(store: SampleStore, grant: Grant, devices: Sequence[SealedDevice]) -> SamplesOf:
    """Gives a run's samples, a signal at a time.

    Signals that had few samples in the run before are asked for together, so that the store looks through a run's rows
    once instead of once for each signal; one that had very many comes in slices of time, and one of which nothing is
    known yet in pieces.
    Memory holds about `ROWS_TOGETHER` rows of a run, however many it has.
    """
    signals = {device.id: sorted(signal.name for signal in device.signals) for device in devices}
    rates: dict[tuple[str, str], float] = {}

    def read(run: SealedRun) -> Iterable[pa.Table]:
        start_ns, end_ns = span_ns(run)
        for device in (messages.device for messages in run.messages):
            expected = {name: rates.get((device, name), math.inf) * (end_ns - start_ns) for name in signals[device]}
            for together in _in_groups(expected):
                together_expected = sum(expected[name] for name in together)
                if together_expected == math.inf:
                    parts = _pieces(store, grant, device, together[0], start_ns, end_ns)
                elif together_expected > ROWS_TOGETHER:
                    slices = math.ceil(together_expected / ROWS_TOGETHER)
                    parts = _slices(store, grant, device, together[0], (start_ns, end_ns), slices)
                else:
                    table = queries.read_raw(store, grant, device, together, start_ns, end_ns)
                    parts = zip(together, _parts(table, together), strict=True)
                rows = dict.fromkeys(together, 0)
                for name, part in parts:
                    rows[name] += part.num_rows
                    yield part
                rates.update({(device, name): count / (end_ns - start_ns) for name, count in rows.items()})

    return read


def _pieces(
    store: SampleStore, grant: Grant, device: str, signal: str, start_ns: int, end_ns: int
) -> Iterable[tuple[str, pa.Table]]:
    spans = queries.visible_spans(grant, device, start_ns, end_ns)
    for batch in store.stream(device, [signal], spans, uncertain=grant.uncertain):
        yield signal, pa.Table.from_batches([batch])


def _slices(
    store: SampleStore, grant: Grant, device: str, signal: str, span: tuple[int, int], count: int
) -> Iterable[tuple[str, pa.Table]]:
    start_ns, end_ns = span
    edges = [start_ns + (end_ns - start_ns) * number // count for number in range(count + 1)]
    for first, after in pairwise(edges):
        yield signal, queries.read_raw(store, grant, device, [signal], first, after)


def _in_groups(expected: Mapping[str, float]) -> Iterator[list[str]]:
    """Neighbouring signals of which not more than `ROWS_TOGETHER` samples are expected; one alone may have more."""
    group: list[str] = []
    rows = 0.0
    for name, count in expected.items():
        if group and rows + count > ROWS_TOGETHER:
            yield group
            group, rows = [], 0.0
        group.append(name)
        rows += count
    if group:
        yield group


def _parts(table: pa.Table, signals: Sequence[str]) -> Iterator[pa.Table]:
    """A table sorted by signal, cut between them."""
    if len(signals) == 1:
        yield table
        return
    encoded = table.column("signal").combine_chunks().dictionary_encode()
    places = {name: place for place, name in enumerate(encoded.dictionary.to_pylist())}
    counts = np.bincount(encoded.indices.to_numpy(), minlength=len(places))
    start = 0
    for name in signals:
        count = int(counts[places[name]]) if name in places else 0
        yield table.slice(start, count)
        start += count


def span_ns(run: SealedRun) -> tuple[int, int]:
    """A run's `[start, end)` in nanoseconds. Its end is known to the microsecond, all of which belongs to it."""
    if run.started_at is None or run.ended_at is None:
        return 0, 0
    return to_nanoseconds(run.started_at), to_nanoseconds(run.ended_at) + 1000


def _run(session: Session, run: Run, devices: Sequence[str]) -> SealedRun:
    return SealedRun(
        number=run.number,
        arm=run.arm,
        block=run.block,
        levels=run.levels,
        executed_order=run.executed_order,
        booking_id=run.booking_id,
        started_at=run.started_at,
        ended_at=run.ended_at,
        excluded=run.excluded,
        result=run.result,
        messages=tuple(_messages(session, run, device) for device in devices),
        data=None if run.ended_at is None else f"data/run-{run.number:02d}.parquet",
    )


def _messages(session: Session, run: Run, device: str) -> SealedMessages:
    said = (run.completeness or {}).get(device, {})
    boot, first, last = (said.get(name) for name in ("boot", "first_seq", "last_seq"))
    if boot is None or first is None or last is None:
        return SealedMessages(
            device=device, boot=boot, first_seq=first, last_seq=last, expected=None, received=None, missing=()
        )
    found = completeness(session, device, boot, first, last)
    return SealedMessages(
        device=device,
        boot=boot,
        first_seq=first,
        last_seq=last,
        expected=found.expected,
        received=found.received,
        missing=tuple(found.missing),
    )


def _events(session: Session, grant: Grant, run: SealedRun) -> list[SealedEvent]:
    if run.ended_at is None:
        return []
    start_ns, end_ns = span_ns(run)
    found: list[SealedEvent] = []
    for messages in run.messages:
        before = queries.state_before(session, grant, messages.device, start_ns)
        reported = queries.events(session, grant, messages.device, start_ns, end_ns)
        found += [_event(run, event) for event in ([] if before is None else [before]) + reported]
    return found


def _event(run: SealedRun, event: MachineEvent) -> SealedEvent:
    return SealedEvent(
        run=run.number,
        device=event.device_id,
        boot=event.boot,
        seq=event.seq,
        kind=event.kind,
        device_ns=event.device_ns,
        settled_ns=event.settled_ns,
        received_ns=event.received_ns,
        flags=event.flags,
        fields=event.fields,
    )


def _device(device: Device) -> SealedDevice:
    return SealedDevice(
        id=device.id,
        name=device.name,
        kind=device.kind,
        location=device.location,
        software_version=device.software_version,
        signals=tuple(_signal(signal) for signal in sorted(device.signals, key=lambda signal: signal.name)),
    )


def _signal(signal: Signal) -> SealedSignal:
    return SealedSignal.model_validate({name: getattr(signal, name) for name in SealedSignal.model_fields})
