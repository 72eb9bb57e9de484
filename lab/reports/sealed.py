"""What a sealed data set holds: the shapes of its JSON files. Everything that a report says comes from here."""

import operator
from datetime import date, datetime
from typing import Any

from pydantic import Field

from lab.reports.value import Value


class SealedBooking(Value):
    """What a slot of the pilot was worth and who paid it; amounts are quoted with the booking, in euro cents."""

    id: str
    start: datetime
    end: datetime
    market_value_cents: int
    price_cents: int
    """What the company pays."""
    support_cents: int
    """Public support: (market value − price) × state share."""
    programme: str | None
    """Its name; `None`: the company is in none."""
    legal_basis: str
    """de-minimis, gber-25, gber-28, market or none."""
    state_share_per_mille: int | None
    """Of the programme."""


class SealedAttachment(Value):
    """A photo or document that was chosen for the report."""

    path: str
    """Within the data set."""
    kind: str
    """pdf, png, jpeg, csv or text."""
    caption: str
    alt_text: str | None
    """Of a photo: what is to be seen, for who cannot see it."""
    added_by: str
    """Name of the person."""
    added_at: datetime


class SealedNote(Value):
    """Something that was written down about the pilot for its report."""

    text: str
    """One or several lines."""
    name: str
    """Of whoever wrote it."""
    written_at: datetime


class SealedPilot(Value):
    """pilot.json: which pilot, for whom, under which locked plan."""

    pilot_id: str
    number: str
    title: str
    question: str
    customer: str
    lab_name: str
    lab_address: str | None = Field(default=None, exclude_if=operator.not_)
    """`None`: nobody has stated it."""
    time_zone: str
    sealed_at: datetime
    data_set_version: int
    plan_version: int
    plan_locked_at: datetime
    plan_locked_by: str
    """Name of the person."""
    plan_sha256: str
    bookings: tuple[SealedBooking, ...] | None = None
    """The pilot's slots that have a price, by start; `None`: sealed before prices were."""
    attachments: tuple[SealedAttachment, ...] = ()
    """In the order in which they were added."""
    notes: tuple[SealedNote, ...] = ()
    """In the order in which they were written."""


class SealedPlanVersion(Value):
    """A line of plan-versions.json: an earlier version of the locked plan, which a later one has replaced."""

    version: int
    locked_at: datetime
    locked_by: str
    """Name of the person."""
    sha256: str

    @property
    def path(self) -> str:
        """Of its document within the data set."""
        return f"plan-v{self.version}.json"


class SealedMessages(Value):
    """Messages of one device in one run, as counted by their numbers."""

    device: str
    boot: str | None
    first_seq: int | None
    last_seq: int | None
    expected: int | None
    """`None`: nobody knows, because the device was not asked."""
    received: int | None
    missing: tuple[tuple[int, int], ...]
    """Numbers `first … last`, inclusive, that never came."""


class SealedRun(Value):
    """A line of runs.json (and, flattened, of runs.csv)."""

    number: int
    arm: str
    block: str | None = None
    levels: dict[str, float | str | bool] = Field(default={})
    """Other factors of a factorial design; the period of a crossover."""
    executed_order: int | None
    booking_id: str | None
    started_at: datetime | None
    ended_at: datetime | None
    excluded: str | None
    result: dict[str, float | str | bool | None]
    messages: tuple[SealedMessages, ...]
    data: str | None
    """Path of the samples within the data set; `None`: the run was never made."""


class SealedEvent(Value):
    """A line of events.json: what a machine reported in a run, and the state in which it began it."""

    run: int
    device: str
    boot: str
    seq: int
    kind: str
    device_ns: int
    settled_ns: int
    received_ns: int
    flags: int
    fields: dict[str, Any]


class SealedSignal(Value):
    """A signal as the catalogue had it at the sealing."""

    name: str
    label: str
    type: str
    unit: str | None
    """UCUM code."""
    low: float | None
    high: float | None
    expected_interval_ms: float | None
    sensor: str | None
    uncertainty: float | None
    calibration_due: date | None


class SealedDevice(Value):
    """A device of signals.json."""

    id: str
    name: str
    kind: str
    location: str
    software_version: str | None
    signals: tuple[SealedSignal, ...]


class SealedFile(Value):
    """One file of manifest.json."""

    path: str
    bytes: int
    sha256: str


class SealedManifest(Value):
    """manifest.json: every other file of the data set."""

    format: int = 1
    files: tuple[SealedFile, ...]
