"""What spooled messages mean, one after another; what is remembered from one to the next."""

from collections.abc import Callable, Mapping

import structlog
from sqlalchemy.exc import SQLAlchemyError

from devices.messages.native import Data
from devices.service import SignalFacts
from lab.core.time import from_nanoseconds
from telemetry.batches import Batch
from telemetry.boot_clock import BootClock
from telemetry.dead_letters import letter_of_message
from telemetry.decoding import IGNORED_KINDS, Topics, read_message
from telemetry.discovery.hearing import Hearing
from telemetry.known_signals import Signals
from telemetry.letters.box import LetterBox
from telemetry.newcomers import MOST_NEW_BOOTS, NewBoots
from telemetry.plans import Plans
from telemetry.reading import MessageFault, Reading
from telemetry.settling import KnownClock
from telemetry.sparkplug.topics import address_on
from telemetry.sparkplug.translating import reason_of
from telemetry.spool import SpooledMessage
from telemetry.validation import Fault, boot_fault

log = structlog.get_logger(__name__)

_BOOTS_REMEMBERED = 2000


class Interpreter:
    """Reads messages one after another into a batch.

    Args:
        lab: the lab whose devices are recorded.
        signals: gives what is known of devices and signals now; asked to look again with `True`.
        load_clock: gives what is stored of (device, boot); `None`: it was never heard of.
        max_payload_bytes: a longer payload becomes a dead letter.
        tolerance_ns: within this a device's clock counts as right.
        device_at: gives the device at an address, if it is known.
        letters: decides which dead letters are kept.
        spool_id: which spool the messages come from.
        aliases: gives device → name on the wire → name in the catalogue, as of the last look.
        hearing: notes what unknown devices and signals say; `None`: nobody does.
    """

    def __init__(
        self,
        lab: str,
        signals: Callable[[bool], Signals],
        load_clock: Callable[[str, str], KnownClock | None],
        *,
        max_payload_bytes: int,
        tolerance_ns: int,
        device_at: Callable[[str], str | None] = lambda _address: None,
        letters: LetterBox | None = None,
        spool_id: str = "",
        aliases: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
        hearing: Hearing | None = None,
    ) -> None:
        self.aliases = aliases
        self._hearing = hearing
        self.letters = letters or LetterBox()
        """Which dead letters are kept."""
        self.spool_id = spool_id
        self._new_boots = NewBoots()
        self._dateless: set[tuple[str, str]] = set()
        self._device_at = device_at
        self._topics = Topics(lab)
        self.plans = Plans()
        """How messages are read whose form is known."""
        self._signals = signals
        self._load_clock = load_clock
        self._max_payload_bytes = max_payload_bytes
        self._tolerance_ns = tolerance_ns
        self._clocks: dict[tuple[str, str], BootClock] = {}
        self._known: Signals = {}
        self._batch: Batch | None = None

    def forget_clocks(self) -> None:
        """Load what is stored anew: what a batch that failed has taught is not."""
        self._clocks.clear()
        self.letters.forget()

    def forget_clock(self, device: str, boot: str) -> None:
        """Load one clock anew: somebody has assigned a time. Only between batches."""
        self._clocks.pop((device, boot), None)

    def forget_stored(self, device: str, boot: str) -> None:
        """Dead letters were read again: a clock may have learned, and there is room for letters. Between batches."""
        self.forget_clock(device, boot)
        self.letters.forget()

    def read(self, number: int, message: SpooledMessage, batch: Batch) -> None:
        """Add what a message means to the batch."""
        if batch is not self._batch:
            self._batch = batch
            self._known = self._signals(False)
        batch.last_number = number
        batch.messages += 1
        origin = self._topics.origin(message.topic)
        device = self._device_named(origin.device) if origin is not None else None
        try:
            if origin is None or device is None:
                device, fault = reason_of(message.topic, message.payload) or (None, None)
                if fault is not None:
                    raise MessageFault(fault)
                raise MessageFault(Fault("unknown-topic", "the topic is not pilotlab/{lab}/{device}/{kind}"))
            if origin.kind in IGNORED_KINDS:
                return
            if not message.payload and message.retained:
                return
            signals = self._signals_of(device)
            reading = Reading(self, number, message, device, signals, batch)
            if origin.kind == "data" and self._is_planned(message, device) and reading.read_planned(self.plans):
                return
            found = read_message(message, origin.kind, max_payload_bytes=self._max_payload_bytes)
            if isinstance(found, Fault):
                raise MessageFault(found)
            reading.read(found)
        except MessageFault as refused:
            self.note_message(number, message, device, refused.fault, batch)
            if refused.fault.reason == "unknown-device" and origin is not None and device is not None:
                self._listen(message, origin.kind, device)
        except SQLAlchemyError:
            raise  # the database is away: the message is as good as before
        except Exception as error:
            log.exception("a message could not be read", number=number, topic=message.topic[:200])
            fault = Fault("recorder-fault", f"the recorder failed to read it: {type(error).__name__}: {error}")
            self.note_message(number, message, device, fault, batch)

    def _is_planned(self, message: SpooledMessage, device: str) -> bool:
        return message.payload_bytes <= self._max_payload_bytes and not self.aliases().get(device)

    def note_message(
        self, number: int, message: SpooledMessage, device: str | None, fault: Fault, batch: Batch
    ) -> None:
        """Write the letter of a message that cannot be used, or count it."""
        letter = letter_of_message(number, message, device, fault, spool_id=self.spool_id)
        batch.note_letters(self.letters.take([letter]))

    def note_heard(self, device: str, names: list[str] | None, data: Data, message: SpooledMessage) -> None:
        """Note what unknown signals say; no names: all of the message's."""
        if self._hearing is not None:
            kind = message.topic.rpartition("/")[2]
            origin = kind if kind in {"cbor", "senml"} else "sparkplug" if ":" in device else "json"
            self._hearing.note(device, names, data, origin=origin, received_ns=message.received_ns)

    def _listen(self, message: SpooledMessage, kind: str, device: str) -> None:
        """What a device that the lab does not own says, as far as there is time for it."""
        if self._hearing is None or not self._hearing.has_time_for(message.received_ns):
            return
        found = read_message(message, kind, max_payload_bytes=self._max_payload_bytes)
        if isinstance(found, Data):
            self.note_heard(device, None, found, message)

    def is_first_without_date(self, device: str, boot: str, *, received_ns: int) -> bool:
        """Whether a boot's lost date is news; once it is told, it is counted only."""
        if (device, boot) in self._dateless:
            self.letters.count_beyond(device, "", "impossible-time", at=from_nanoseconds(received_ns))
            return False
        if len(self._dateless) >= _BOOTS_REMEMBERED:
            self._dateless.clear()
        self._dateless.add((device, boot))
        return True

    def clock(self, device: str, boot: str, *, received_ns: int) -> BootClock:
        """The clock of one boot, with the change points that are stored.

        Raises:
            MessageFault: if no boot can have this name, or the device invents too many.
        """
        try:
            return self._clocks[device, boot]
        except KeyError:
            pass
        fault = boot_fault(boot)
        if fault is not None:
            raise MessageFault(fault)
        if len(self._clocks) >= _BOOTS_REMEMBERED:  # a device invents boots: memory must not grow with them
            unsaved = self._batch.clocks if self._batch is not None else {}
            self._clocks = {key: clock for key, clock in self._clocks.items() if key in unsaved}
        known = self._load_clock(device, boot)
        if not known:
            if not self._new_boots.admits(device, received_ns):
                raise MessageFault(Fault("too-many-boots", f"more than {MOST_NEW_BOOTS} new boots within an hour"))
            known = KnownClock([], [], None)
        clock = self._clocks[device, boot] = BootClock(
            known.points, known.assignments, last=known.last, tolerance_ns=self._tolerance_ns
        )
        return clock

    def signals_of_unknown(self, device: str) -> Mapping[str, SignalFacts]:
        """What is known of a device after looking again (a signal has just been adopted, perhaps)."""
        self._known = self._signals(True)
        return self._known.get(device, {})

    def _device_named(self, level: str) -> str:
        """The device that the third level of a topic names: itself, or by an address."""
        address = address_on(level)
        return level if address is None else self._device_at(address) or address

    def _signals_of(self, device: str) -> Mapping[str, SignalFacts]:
        known = self._known.get(device)
        if known is None:
            self._known = self._signals(True)
            known = self._known.get(device)
        if known is None:
            raise MessageFault(Fault("unknown-device", f"the lab owns no device '{device[:60]}'"))
        return known
