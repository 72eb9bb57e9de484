"""One message: its samples, events, lives of devices, and what becomes a dead letter with the reason."""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.messages.native import UNNUMBERED, Birth, Data, Death, Event, Message, State
from devices.messages.times import EARLIEST_NS, LATEST_NS, TimeFormatError, parse_time
from devices.service import SignalFacts
from lab.core.time import from_nanoseconds
from telemetry.batches import Batch, Life
from telemetry.boot_clock import BootClock
from telemetry.dead_letters import letters_of_values
from telemetry.plans import Plans
from telemetry.settling import EARLIEST_SANE_NS, LATE_NS, Arrival, ChangePoint, flags_of, is_impossible, settle
from telemetry.spool import SpooledMessage
from telemetry.stores.interface import Flag
from telemetry.validation import LARGEST_SEQ, Fault, check_value, check_wave, is_storable_text

if TYPE_CHECKING:
    from telemetry.interpreting import Interpreter

_UNKNOWN_SIGNAL = Fault("unknown-signal", "the catalogue has no such signal for this device")
_LONGEST_EVENT_NAME = 60
DEEPEST_FIELDS = 32
"""Levels of an event's fields; what nests deeper can be read here, but not be told again by every program after us."""
_SHAPES = ("values", "waves", "samples")


class MessageFault(Exception):  # noqa: N818 - not an error: a message that becomes a dead letter
    """Why nothing of a message can be used."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


class Reading:
    """One message being read.

    Args:
        interpreter: what is known beyond this message.
        number: its number in the spool.
        message: as it is there.
        device: whose it is.
        signals: of the device, with what is known of each.
        batch: what its meaning is added to.
    """

    __slots__ = (
        "_batch",
        "_clock",
        "_dateless",
        "_device",
        "_faults",
        "_interpreter",
        "_message",
        "_number",
        "_signals",
    )

    def __init__(
        self,
        interpreter: "Interpreter",
        number: int,
        message: SpooledMessage,
        device: str,
        signals: Mapping[str, SignalFacts],
        batch: Batch,
    ) -> None:
        self._interpreter = interpreter
        self._number = number
        self._message = message
        self._device = device
        self._signals = signals
        self._batch = batch
        self._faults: list[tuple[str, Fault]] = []
        self._dateless = False

    def read(self, message: Message) -> None:
        """Add what it means to the batch."""
        if isinstance(message, Data):
            self._identify(message.boot, message.seq)
            said = message
            aliases = self._interpreter.aliases().get(self._device)
            if aliases:
                message = _by_catalogue_names(message, aliases)
            if message.units:
                message = self._in_known_units(message, message.units)
            if message.values is not None:
                self._read_values(message)
            elif message.waves is not None:
                self._read_waves(message)
            else:
                self._read_samples(message)
            unknown = [signal for signal, fault in self._faults if fault is _UNKNOWN_SIGNAL]
            if unknown:
                self._interpreter.note_heard(self._device, unknown, said, self._message)
        elif isinstance(message, Event):
            self._identify(message.boot, message.seq)
            self._read_event(message, message.event, message.fields)
        elif isinstance(message, State):
            self._identify(message.boot, message.seq)
            fields = {"item_state": message.item_state, "mode": message.mode, "program": message.program}
            self._read_event(message, "state", fields)
        elif isinstance(message, Birth | Death):
            self._read_life(message)
        if self._faults:
            self._note_faults()

    def _note_faults(self) -> None:
        letters = letters_of_values(
            self._number, self._message, self._device, self._faults, spool_id=self._interpreter.spool_id
        )
        self._batch.note_letters(self._interpreter.letters.take(letters))

    def read_planned(self, plans: Plans) -> bool:
        """Add what a message means whose form is known; if it is not, nothing is done and the answer is no."""
        plan = plans.of(self._message.topic)
        found = plan.read(self._message.payload) if plan is not None else None
        if plan is None or found is None:
            return False
        said, numbers = found
        shape = plan.shape(self._batch.samples, self._device, said.boot, self._signals)
        if shape is None:
            return False
        self._identify(said.boot, said.seq)
        device_ns, settled_ns, flags = self._settled(said.boot, said.seq, said.time, buffered=False)
        self._batch.samples.add_numbers(shape, numbers, device_ns, settled_ns, self._message.received_ns, flags)
        if self._faults:
            self._note_faults()
        return True

    def _identify(self, boot: str, seq: int) -> None:
        self._clock = self._batch.clocks[self._device, boot] = self._clock_of(boot)
        if seq == UNNUMBERED:
            return
        if not 0 <= seq <= LARGEST_SEQ:
            raise MessageFault(Fault("wrong-form", f"seq is {str(seq)[:40]}; 0 to {LARGEST_SEQ} are allowed"))
        try:
            self._batch.sequences[self._device, boot].append(seq)
        except KeyError:
            self._batch.sequences[self._device, boot] = [seq]

    def _clock_of(self, boot: str) -> BootClock:
        return self._interpreter.clock(self._device, boot, received_ns=self._message.received_ns)

    def _facts_of(self, signal: str) -> SignalFacts | None:
        facts = self._signals.get(signal)
        if facts is None:
            self._signals = self._interpreter.signals_of_unknown(self._device)
            facts = self._signals.get(signal)
            if facts is None:
                self._faults.append((signal, _UNKNOWN_SIGNAL))
        return facts

    def _in_known_units(self, data: Data, units: dict[str, str]) -> Data:
        """The message without what it says in another unit than the catalogue's: that would be a wrong value."""
        other = set()
        said = data.values or data.waves or data.samples or {}
        for signal, unit in units.items():
            if signal not in said:
                continue
            facts = self._facts_of(signal)
            if facts is not None and facts.type == "number" and unit != facts.unit:
                detail = f"it came in {unit[:40]!r}, the catalogue has it in {facts.unit!r}"
                self._faults.append((signal, Fault("other-unit", detail)))
            if facts is None or (facts.type == "number" and unit != facts.unit):
                other.add(signal)
        if not other:
            return data
        return msgspec.structs.replace(data, **{shape: _without(getattr(data, shape), other) for shape in _SHAPES})

    def _read_values(self, data: Data) -> None:
        if data.time is None or data.values is None:
            return
        device, boot, received_ns = self._device, data.boot, self._message.received_ns
        device_ns, settled_ns, flags = self._settled(boot, data.seq, data.time, buffered=data.buffered)
        samples, rest = self._batch.samples, data.values.items()
        shape = samples.shape_of(device, boot, data.values, self._signals)
        numbers = shape.numbers_of(data.values) if shape is not None else None
        if shape is not None and numbers is not None:  # the usual case, at a twentieth of the cost
            samples.add_numbers(shape, numbers, device_ns, settled_ns, received_ns, flags)
            if not shape.others:
                self._interpreter.plans.note(self._message.topic, shape.names)
            rest = {name: data.values[name] for name in shape.others}.items()
        for signal, value in rest:
            facts = self._signals.get(signal) or self._facts_of(signal)
            if facts is None:
                continue
            checked = check_value(value, facts)
            if isinstance(checked, Fault):
                self._faults.append((signal, checked))
                continue
            number, text, out_of_range = checked
            flag = flags | Flag.OUT_OF_RANGE.value if out_of_range else flags
            samples.add((device, signal, boot, device_ns, settled_ns, received_ns, number, text, flag))

    def _settled(self, boot: str, seq: int, time: str | int, *, buffered: bool) -> tuple[int, int, int]:
        """Device time, settled time and flags of a message's values."""
        device_ns, received_ns = self._time(time), self._message.received_ns
        vouches = not (buffered or self._message.retained)
        if vouches and self._clock.is_right(device_ns, received_ns, self._place(seq)):
            return device_ns, min(device_ns, received_ns), 0
        point = self._settling_point(device_ns, boot, seq, buffered=buffered)
        return device_ns, *settle(device_ns, point, received_ns, buffered=buffered)

    def _read_waves(self, data: Data) -> None:
        if data.start is None or data.rate_hz is None or data.waves is None:
            return
        start_ns = self._time(data.start)
        longest = max((len(values) for values in data.waves.values()), default=0)
        step_ns = 1e9 / data.rate_hz
        if step_ns < 1 or start_ns + step_ns * longest > LATEST_NS:
            raise MessageFault(Fault("impossible-time", f"rate_hz {data.rate_hz} gives no times"))
        end_ns = start_ns + round(step_ns * max(0, longest - 1))
        if is_impossible(end_ns, self._message.received_ns):
            raise MessageFault(self._in_future(end_ns))
        point = self._settling_point(end_ns, data.boot, data.seq, buffered=data.buffered)
        for signal, values in data.waves.items():
            times = start_ns + np.rint(np.arange(len(values)) * step_ns).astype(np.int64)
            self._read_wave(data, signal, values, times, point)

    def _read_wave(
        self, data: Data, signal: str, values: list[Any], device_ns: NDArray[np.int64], point: ChangePoint
    ) -> None:
        facts = self._signals.get(signal) or self._facts_of(signal)
        if facts is None:
            return
        checked = check_wave(values, facts)
        if isinstance(checked, Fault):
            self._faults.append((signal, checked))
            return
        numbers, out_of_range = checked
        finite = np.isfinite(numbers)
        if not finite.all():
            missing = int(len(numbers) - finite.sum())
            self._faults.append((signal, Fault("not-finite", f"{missing} values of the wave are no finite numbers")))
            numbers, out_of_range, device_ns = numbers[finite], out_of_range[finite], device_ns[finite]
        received_ns = self._message.received_ns
        settled_ns = np.minimum(device_ns + point.offset_ns, received_ns)
        marks = np.full(len(numbers), flags_of(point, buffered=data.buffered), dtype=np.uint8)
        marks[out_of_range] |= Flag.OUT_OF_RANGE.value
        if not data.buffered:
            marks[received_ns - settled_ns > LATE_NS] |= Flag.LATE.value
        source = (self._device, signal, data.boot)
        self._batch.samples.add_wave(source, device_ns, settled_ns, received_ns, numbers, marks)

    def _read_samples(self, data: Data) -> None:
        self._observe_newest(data)
        for signal, samples in (data.samples or {}).items():
            facts = self._signals.get(signal) or self._facts_of(signal)
            if facts is None:
                continue
            fault: Fault | None = None
            for time, value in samples:
                try:
                    device_ns = self._time(time)
                except MessageFault as refused:
                    fault = fault or refused.fault
                    continue
                checked = check_value(value, facts)
                if isinstance(checked, Fault):
                    fault = fault or checked
                    continue
                self._add_sample(data, signal, device_ns, *checked)
            if fault is not None:
                self._faults.append((signal, fault))

    def _observe_newest(self, data: Data) -> None:
        """Of samples that were sent as they were measured, the newest one vouches for the clock."""
        newest_ns: int | None = None
        for samples in (data.samples or {}).values():
            for time, _ in samples:
                with contextlib.suppress(MessageFault):
                    newest_ns = max(self._time(time), newest_ns or EARLIEST_NS)
        if newest_ns is not None:
            self._observe(newest_ns, data.boot, self._place(data.seq), buffered=data.buffered)

    def _add_sample(
        self, data: Data, signal: str, device_ns: int, value: float | None, text: str | None, out_of_range: bool
    ) -> None:
        point = self._clock.point_for(device_ns, self._place(data.seq), buffered=data.buffered)
        if device_ns < EARLIEST_SANE_NS:
            self._note_lost_date(device_ns, data.boot)
        received_ns = self._message.received_ns
        settled_ns, flags = settle(device_ns, point, received_ns, buffered=data.buffered)
        if out_of_range:
            flags |= Flag.OUT_OF_RANGE.value
        row = (self._device, signal, data.boot, device_ns, settled_ns, received_ns, value, text, flags)
        self._batch.samples.add(row)

    def _read_event(self, message: Event | State, kind: str, fields: dict[str, Any]) -> None:
        if not 0 < len(kind) <= _LONGEST_EVENT_NAME or not is_storable_text(kind):
            raise MessageFault(Fault("wrong-form", f"an event's name has 1 to {_LONGEST_EVENT_NAME} characters"))
        try:
            plain = msgspec.json.decode(msgspec.json.encode(fields))  # NaN, which JSON has not, becomes null
        except (UnicodeEncodeError, msgspec.MsgspecError, RecursionError) as error:
            raise MessageFault(Fault("wrong-form", f"the event's fields cannot be stored: {error}")) from error
        if _is_deeper(plain, DEEPEST_FIELDS):
            raise MessageFault(Fault("wrong-form", f"an event's fields nest more than {DEEPEST_FIELDS} levels"))
        device_ns = self._time(message.time)
        point = self._settling_point(device_ns, message.boot, message.seq, buffered=message.buffered)
        received_ns = self._message.received_ns
        settled_ns, flags = settle(device_ns, point, received_ns, buffered=message.buffered)
        self._batch.events.append(
            {
                "device_id": self._device,
                "boot": message.boot,
                "seq": message.seq,
                "kind": kind,
                "device_ns": device_ns,
                "settled_ns": settled_ns,
                "received_ns": received_ns,
                "flags": flags,
                "fields": plain,
            }
        )

    def _read_life(self, message: Birth | Death) -> None:
        self._clock = self._batch.clocks[self._device, message.boot] = self._clock_of(message.boot)
        if isinstance(message, Birth):
            if not all(is_storable_text(text) for text in [message.firmware or "", *message.signals]):
                raise MessageFault(Fault("wrong-form", "a text contains U+0000 or half a surrogate pair"))
            device_ns = self._time(message.time)
            if not self._message.retained:
                self._observe(device_ns, message.boot, -1, buffered=False)
        self._batch.lives.append(Life(self._number, self._device, message, from_nanoseconds(self._message.received_ns)))

    def _time(self, time: str | int) -> int:
        try:
            device_ns = parse_time(time)
        except TimeFormatError as error:
            raise MessageFault(Fault("impossible-time", str(error))) from error
        if is_impossible(device_ns, self._message.received_ns):
            raise MessageFault(self._in_future(device_ns))
        return device_ns

    def _settling_point(self, device_ns: int, boot: str, seq: int, *, buffered: bool) -> ChangePoint:
        self._observe(device_ns, boot, self._place(seq), buffered=buffered)
        if device_ns < EARLIEST_SANE_NS:
            self._note_lost_date(device_ns, boot)
        return self._clock.point_for(device_ns, self._place(seq), buffered=buffered)

    def _place(self, seq: int) -> int:
        """The message's place among those of its boot; where it has no number, the order of receipt tells."""
        return self._message.received_ns if seq == UNNUMBERED else seq

    def _observe(self, device_ns: int, boot: str, seq: int, *, buffered: bool) -> None:
        """Learn from a message's time; what the broker repeats as retained may be of any age and teaches nothing."""
        message, clock = self._message, self._clock
        if message.retained:
            return
        arrival = Arrival(message.received_ns, message.entered_after_ns, not buffered)
        found = clock.observe(device_ns, arrival, seq=seq)
        if found is not None:
            self._batch.change_points.append((self._device, boot, found))
            for assigned in clock.take_confirmed():
                self._batch.assignments.append((self._device, boot, assigned))

    def _note_lost_date(self, device_ns: int, boot: str) -> None:
        if self._dateless:
            return
        self._dateless = True
        if self._interpreter.is_first_without_date(self._device, boot, received_ns=self._message.received_ns):
            detail = (
                f"the device's clock says {device_ns} ns after 1970; stored as uncertain, under the time of receipt"
            )
            self._faults.append(("", Fault("impossible-time", detail)))

    def _in_future(self, device_ns: int) -> Fault:
        ahead_days = (device_ns - self._message.received_ns) / 86_400e9
        return Fault("impossible-time", f"{device_ns} ns is {ahead_days:.0f} days after it was received")


def _is_deeper(content: Any, levels: int) -> bool:
    """Whether lists and objects nest deeper than so; without recursion, which a sender could exhaust."""
    level = [content]
    while level and levels:
        level = [
            inner
            for part in level
            for inner in (part.values() if isinstance(part, dict) else part)
            if isinstance(inner, dict | list)
        ]
        levels -= 1
    return bool(level)


def _by_catalogue_names(data: Data, aliases: Mapping[str, str]) -> Data:
    """The message with the names of the catalogue; one that says the same twice keeps both names."""

    def renamed(content: dict[str, Any]) -> dict[str, Any]:
        return {
            name if aliases.get(name, name) in content else aliases.get(name, name): content[name] for name in content
        }

    parts = {part: getattr(data, part) for part in (*_SHAPES, "units")}
    return msgspec.structs.replace(data, **{part: renamed(content) for part, content in parts.items() if content})


def _without(shape: dict[str, Any] | None, names: set[str]) -> dict[str, Any] | None:
    return shape and {name: content for name, content in shape.items() if name not in names}
