"""What may be asked of telemetry: always through a `Grant`, so that nobody sees beyond it (I4).

A device that the grant does not name does not exist for whoever asks; of one that it names, what lies outside the
granted spans is cut away silently. Times are settled times, spans half-open `[start_ns, end_ns)`.
"""

from collections.abc import Sequence

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.errors import InvalidError, NotFoundError
from lab.people.principals import Principal
from telemetry.grants import BEGINNING_NS, END_NS, Grant
from telemetry.models import ClockOffset, MachineEvent
from telemetry.sequences import Completeness, completeness
from telemetry.stores.interface import Flag, SampleStore

MOST_SEQ = 2**63 - 1


class DeviceNotVisibleError(NotFoundError):
    """There is no such device, or whoever asks has no business with it."""


class TooManySamplesError(InvalidError):
    """The answer would be larger than one answer may be. Facts: `field`, `rule`, `limit`."""


def read_raw(
    store: SampleStore,
    grant: Grant,
    device: str,
    signals: Sequence[str],
    start_ns: int,
    end_ns: int,
    *,
    limit: int | None = None,
) -> pa.Table:
    """Samples as they were stored.

    Args:
        store: where they are.
        grant: of whoever asks.
        device: whose samples.
        signals: their names; empty: all.
        start_ns: first settled time.
        end_ns: first settled time that is not wanted any more.
        limit: most rows of an answer; `None`: any number.

    Returns:
        Schema SAMPLES, sorted by signal, settled_ns, device_ns.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
        TooManySamplesError: if there are more rows than `limit`.
    """
    spans = visible_spans(grant, device, start_ns, end_ns)
    most = None if limit is None else limit + 1
    found = store.read(device, list(signals), spans, uncertain=grant.uncertain, limit=most)
    if limit is not None and found.num_rows > limit:
        raise TooManySamplesError(
            f"there are more than {limit} samples in this span; ask for a shorter one, fewer signals, or buckets",
            field="end",
            rule="most-samples",
            limit=limit,
        )
    return found


def read_buckets(
    store: SampleStore, grant: Grant, device: str, signal: str, start_ns: int, end_ns: int, *, width_ns: int
) -> pa.Table:
    """Minimum, maximum, mean and count of one signal in buckets of equal width.

    Returns:
        Schema BUCKETS; `start_ns` is a multiple of the width, empty buckets are absent.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
    """
    spans = visible_spans(grant, device, start_ns, end_ns)
    return store.buckets(device, signal, spans, width_ns=width_ns, uncertain=grant.uncertain)


def count_samples(store: SampleStore, grant: Grant, device: str, start_ns: int, end_ns: int) -> dict[str, int]:
    """How many samples there are of each signal.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
    """
    spans = visible_spans(grant, device, start_ns, end_ns)
    found = store.coverage(device, [], spans, longest_gap_ns=END_NS, uncertain=grant.uncertain)
    counts: dict[str, int] = {}
    for signal, count in zip(found["signal"].to_pylist(), found["count"].to_pylist(), strict=True):
        counts[signal] = counts.get(signal, 0) + count
    return counts


def last_values(
    store: SampleStore, grant: Grant, device: str, *, start_ns: int = BEGINNING_NS, end_ns: int = END_NS
) -> pa.Table:
    """The newest sample of each signal; schema SAMPLES, sorted by signal.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
    """
    spans = visible_spans(grant, device, start_ns, end_ns)
    return store.last_values(device, spans, uncertain=grant.uncertain)


def events(
    session: Session,
    grant: Grant,
    device: str,
    start_ns: int,
    end_ns: int,
    kinds: Sequence[str] = (),
    *,
    limit: int | None = None,
) -> list[MachineEvent]:
    """What a machine reported, in order of settled time.

    Args:
        session: to read with.
        grant: of whoever asks.
        device: whose events.
        start_ns: first settled time.
        end_ns: first settled time that is not wanted any more.
        kinds: names of events, or `state`; empty: all.
        limit: most events of an answer; `None`: any number.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
        TooManySamplesError: if there are more events than `limit`.
    """
    spans = visible_spans(grant, device, start_ns, end_ns)
    query = sa.select(MachineEvent).where(MachineEvent.device_id == device, _in_spans(spans))
    if kinds:
        query = query.where(MachineEvent.kind.in_(kinds))
    if not grant.uncertain:
        query = query.where(MachineEvent.flags.bitwise_and(int(Flag.UNCERTAIN)) == 0)
    query = query.order_by(MachineEvent.settled_ns, MachineEvent.boot, MachineEvent.seq)
    found = list(session.scalars(query.limit(None if limit is None else limit + 1)))
    if limit is not None and len(found) > limit:
        raise TooManySamplesError(
            f"there are more than {limit} events in this span; ask for a shorter one or for fewer kinds",
            field="end",
            rule="most-events",
            limit=limit,
        )
    return found


def state_before(session: Session, grant: Grant, device: str, at_ns: int) -> MachineEvent | None:
    """The last state that a machine reported before an instant, as far as it may be seen.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
    """
    spans = visible_spans(grant, device, BEGINNING_NS, at_ns)
    query = sa.select(MachineEvent).where(
        MachineEvent.device_id == device, MachineEvent.kind == "state", _in_spans(spans)
    )
    if not grant.uncertain:
        query = query.where(MachineEvent.flags.bitwise_and(int(Flag.UNCERTAIN)) == 0)
    newest = (MachineEvent.settled_ns.desc(), MachineEvent.boot.desc(), MachineEvent.seq.desc())
    return session.scalar(query.order_by(*newest).limit(1))


def clock_offsets(session: Session, device: str) -> list[ClockOffset]:
    """How the device's clock was corrected, by boot and device time."""
    query = sa.select(ClockOffset).where(ClockOffset.device_id == device)
    return list(session.scalars(query.order_by(ClockOffset.boot, ClockOffset.from_device_ns)))


def visible_spans(grant: Grant, device: str, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """The parts of `[start_ns, end_ns)` that may be seen; perhaps none.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
    """
    if not grant.names(device):
        raise not_visible(device)
    return grant.spans_of(device, start_ns, end_ns)


def not_visible(device: str) -> DeviceNotVisibleError:
    """The same answer for a device that does not exist and for one that is none of the asker's business."""
    return DeviceNotVisibleError(
        f"there is no device {device} whose data you may see; you see a device's data of the time you booked it for",
        field="device",
        rule="own-time",
        device=device,
    )


def _in_spans(spans: list[tuple[int, int]]) -> sa.ColumnElement[bool]:
    return sa.or_(
        sa.false(), *((MachineEvent.settled_ns >= start) & (MachineEvent.settled_ns < end) for start, end in spans)
    )


def completeness_of(
    session: Session, principal: Principal, device: str, boot: str, first_seq: int, last_seq: int
) -> Completeness:
    """How much of what a device says that it sent has been stored.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        InvalidError: if the last number lies before the first, or is none that a message can have.
    """
    principal.require_staff("look whether messages are complete")
    if not first_seq <= last_seq <= MOST_SEQ:
        raise InvalidError(
            f"last_seq must lie between first_seq ({first_seq}) and {MOST_SEQ}", field="last_seq", rule="sequence-range"
        )
    return completeness(session, device, boot, first_seq, last_seq)
