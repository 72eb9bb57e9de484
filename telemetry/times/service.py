"""What engineers do about clocks. The caller owns the transaction; the recorder applies what is assigned."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from devices.service import get_device
from lab.core.audit import note_change
from lab.core.database import storable
from lab.core.ids import new_id
from lab.people.principals import Principal
from telemetry.models import Boot, TimeAssignment
from telemetry.repository import known_clock
from telemetry.sequences import Range, gaps_of
from telemetry.settling import ChangePoint
from telemetry.times import repository, rules
from telemetry.times.errors import BootUnknownError, OffsetUnknownError, SetBackError, SpanCertainError
from telemetry.times.rules import Span
from telemetry.validation import is_storable_text

MOST_BOOTS = 50
MOST_GAPS = 1000


@dataclass(frozen=True, slots=True)
class BootTimes:
    """What is known of the clock of one boot."""

    boot: Boot
    points: list[ChangePoint]
    doubtful: list[Span]
    assignments: list[TimeAssignment]
    gaps: list[Range]
    """Message numbers between the first and the last received that never came."""


def boot_heard_since(session: Session, device: str, since: datetime) -> str | None:
    """The boot of the newest message of a device, if that was received since then."""
    return repository.boot_heard_since(session, device, since)


def last_heard(session: Session) -> dict[str, datetime]:
    """Device → when its newest message was received; devices that never sent any are missing."""
    return repository.last_heard(session)


def clocks_of(session: Session, principal: Principal, device: str, *, limit: int = MOST_BOOTS) -> list[BootTimes]:
    """The clocks of a device by boot, the one heard last first.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        DeviceUnknownError: the lab owns none of this name.
    """
    principal.require_staff("look at the clocks of devices")
    get_device(session, device)
    boots = repository.boots_of(session, device, limit=limit)
    names = [boot.boot for boot in boots]
    points: dict[str, list[ChangePoint]] = {name: [] for name in names}
    for row in repository.offsets_of(session, device, names):
        points[row.boot].append(ChangePoint(row.from_device_ns, row.offset_ns, row.uncertain, row.from_seq, row.reason))
    assigned: dict[str, list[TimeAssignment]] = {name: [] for name in names}
    for assignment in repository.assignments_of(session, device, names):
        assigned[assignment.boot].append(assignment)
    return [
        BootTimes(
            boot,
            points[boot.boot],
            rules.doubtful_spans(points[boot.boot]),
            assigned[boot.boot],
            gaps_of(session, device, boot.boot, limit=MOST_GAPS),
        )
        for boot in boots
    ]


def assign_time(
    session: Session,
    principal: Principal,
    *,
    device: str,
    boot: str,
    span: Span,
    seqs: tuple[int | None, int | None] = (None, None),
    offset_ns: int | None,
    reason: str,
    now: datetime,
) -> TimeAssignment:
    """Say when the uncertain samples and events of a span were really taken; the recorder then settles them anew.

    Args:
        session: a write session.
        principal: the lab's staff.
        device: whose.
        boot: of which start of the device.
        span: device time, half-open; all of it must be doubtful, unless the clock was set back.
        seqs: first and last message number, where device times occur twice.
        offset_ns: true minus device time; `None`: as of the rest of the boot.
        reason: in the person's own words.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        BootUnknownError: if nothing was ever heard of this boot.
        OffsetUnknownError: if there is no offset to take.
        SpanCertainError: if part of the span is certain.
        SetBackError: if it would correct an earlier assignment of a clock that was set back.
    """
    principal.require_staff("assign times to samples")
    known = known_clock(session, device, boot) if storable(device) and is_storable_text(boot) else None
    if known is None:
        raise BootUnknownError(
            f"nothing was ever heard of boot '{boot[:64]}' of {device[:40]}", field="boot", rule="known-boot"
        )
    points = sorted(known.points, key=lambda point: (point.from_seq, point.from_device_ns))
    if offset_ns is None:
        offset_ns = rules.believed_offset(points)
    if offset_ns is None:
        raise OffsetUnknownError(
            "nothing is believed of this clock that could be taken over; say the offset",
            field="offset_ms",
            rule="known-offset",
        )
    set_back = rules.was_set_back(points)
    if not set_back and not rules.is_doubtful(points, span):
        raise SpanCertainError(
            "part of this span has a certain time, which does not change; choose one within the doubtful spans",
            field="from",
            rule="doubtful",
            doubtful=rules.doubtful_spans(points),
        )
    if set_back and any(_share(row, span, seqs) for row in repository.assignments_of(session, device, [boot])):
        raise SetBackError(
            "this span has been assigned before, and the clock was set back: its samples cannot be told from others",
            rule="assigned-once",
        )
    row = TimeAssignment(
        id=new_id("tim"),
        device_id=device,
        boot=boot,
        from_device_ns=span[0],
        to_device_ns=span[1],
        from_seq=seqs[0],
        to_seq=seqs[1],
        offset_ns=offset_ns,
        assigned_by=principal.account_id,
        assigned_at=now,
        reason=reason,
        applied_at=None,
    )
    session.add(row)
    note_change(
        session,
        "device-time",
        device,
        "assigned",
        by=principal.account_id,
        at=now,
        after={"boot": boot, "from_device_ns": span[0], "to_device_ns": span[1], "offset_ns": offset_ns},
        reason=reason,
    )
    session.flush()
    return row


def _share(row: TimeAssignment, span: Span, seqs: tuple[int | None, int | None]) -> bool:
    times = row.from_device_ns < span[1] and span[0] < row.to_device_ns
    first, last = seqs
    before = last is not None and row.from_seq is not None and last < row.from_seq
    after = first is not None and row.to_seq is not None and first > row.to_seq
    return times and not (before or after)
