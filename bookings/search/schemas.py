"""What a slot search answers. Times are UTC, amounts integer euro cents."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from bookings.prices.schemas import QuoteFacts
from bookings.schemas import SpanAnswer
from bookings.search.capabilities import AttributeRange, CapabilityRange
from bookings.search.explaining import Cause, Refused
from bookings.search.service import FoundSlot, FoundSlots
from lab.core.time import from_microseconds


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class SlotDevice(_Answer):
    """A device of a slot."""

    id: str
    name: str
    meets: list[str]
    """The requirements that it meets."""
    added: bool
    """Nobody asked for it, but another device of the slot is only booked together with it."""


class BookingDraft(_Answer):
    """What to send to `POST /api/v1/bookings`, together with a title."""

    device_ids: list[str]
    start: datetime
    end: datetime
    supervised: bool
    organisation_id: str
    pilot_id: str | None


class SlotAnswer(_Answer):
    """A span that can be booked right away."""

    start: datetime
    end: datetime
    devices: list[SlotDevice]
    preferred: bool
    """Lies in the preferred hours."""
    supervised: bool
    """An engineer is booked with it, and one is free."""
    supervised_because: str | None
    """wish; rule: a device is used with an engineer only; training: you lack one that a device needs."""
    needs_approval: bool
    """It would be a request, which holds the slot until the staff decides."""
    quote: QuoteFacts
    booking: BookingDraft

    @classmethod
    def of(cls, slot: FoundSlot, organisation_id: str, pilot_id: str | None) -> "SlotAnswer":
        """Translate."""
        return cls(
            start=slot.span.start,
            end=slot.span.end,
            devices=[
                SlotDevice(
                    id=device.id,
                    name=device.name,
                    meets=[requirement for requirement, ids in slot.meeting if device.id in ids],
                    added=device.id in slot.added,
                )
                for device in slot.devices
            ],
            preferred=slot.preferred,
            supervised=slot.supervised,
            supervised_because=slot.supervised_because,
            needs_approval=slot.needs_approval,
            quote=QuoteFacts.model_validate(slot.quote.as_json()),
            booking=BookingDraft(
                device_ids=[device.id for device in slot.devices],
                start=slot.span.start,
                end=slot.span.end,
                supervised=slot.supervised,
                organisation_id=organisation_id,
                pilot_id=pilot_id,
            ),
        )


class CauseAnswer(_Answer):
    """Why no booking can start."""

    device_id: str | None
    """Null: whichever device."""
    rule: str
    """lead-time, horizon, holiday, opening-hours, weekday, outage, device-free, engineer-free, week-quota, …"""
    fact: str

    @classmethod
    def of(cls, cause: Cause) -> "CauseAnswer":
        """Translate."""
        return cls(device_id=cause.device_id, rule=cause.reason.rule, fact=cause.reason.fact)


class RefusedAnswer(_Answer):
    """No booking of this length can start in `[start, end)`, in full five minutes."""

    start: datetime
    end: datetime
    causes: list[CauseAnswer]

    @classmethod
    def of(cls, refused: Refused) -> "RefusedAnswer":
        """Translate."""
        return cls(
            start=from_microseconds(refused.start),
            end=from_microseconds(refused.end),
            causes=[CauseAnswer.of(cause) for cause in refused.causes],
        )


class SlotsAnswer(_Answer):
    """The first spans, apart from each other; those in preferred hours first, each kind by time."""

    slots: list[SlotAnswer]
    window: SpanAnswer
    """Where was looked."""
    refused: list[RefusedAnswer] | None
    """Why earlier starts were refused, if that was asked."""
    refused_left_off: bool
    """There are more of them."""

    @classmethod
    def of(cls, found: FoundSlots, pilot_id: str | None) -> "SlotsAnswer":
        """Translate."""
        return cls(
            slots=[SlotAnswer.of(slot, found.organisation_id, pilot_id) for slot in found.slots],
            window=SpanAnswer.of(found.window),
            refused=None if found.refused is None else [RefusedAnswer.of(refused) for refused in found.refused],
            refused_left_off=found.left_off,
        )


class AttributeAnswer(_Answer):
    """What devices have of one attribute."""

    name: str
    stands_for: list[str]
    """Of a name without axis letter: the attributes of the axes, one of which must do."""
    lowest: float | None
    """Of numbers: the least that any device has (on its longest axis)."""
    highest: float | None
    choices: list[str]
    """Of texts and booleans."""

    @classmethod
    def of(cls, attribute: AttributeRange) -> "AttributeAnswer":
        """Translate."""
        return cls.model_validate(attribute, from_attributes=True)


class CapabilityAnswer(_Answer):
    """What the lab has of one capability."""

    name: str
    device_ids: list[str]
    attributes: list[AttributeAnswer]

    @classmethod
    def of(cls, found: CapabilityRange) -> "CapabilityAnswer":
        """Translate."""
        return cls.model_validate(found, from_attributes=True)


class Capabilities(_Answer):
    """What one may ask for, by name."""

    capabilities: list[CapabilityAnswer]
