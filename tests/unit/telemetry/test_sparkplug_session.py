"""An edge node's messages: in order, out of order, missing; and never a value under another name than its own."""

from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings

from devices.messages.native import Birth, Data, decode
from telemetry.sparkplug.payload import (
    PayloadError,
    RawMetric,
    Unsupported,
    decode_payload,
    encode_payload,
    value_of,
)
from telemetry.sparkplug.session import (
    ASK_AGAIN_NS,
    MOST_HELD,
    REORDER_NS,
    AskRebirth,
    Born,
    Died,
    Emit,
    Heard,
    NodeSession,
    Outcome,
    Reading,
    Refused,
)
from telemetry.sparkplug.topics import Place, address_of, address_on, level_of, parse_sparkplug_topic
from telemetry.sparkplug.translating import native_messages, reason_of

MS = 1_000_000
NOW = 1_795_000_000_000 * MS


def metric(name: str | None, value: Any, *, alias: int | None = None, at: int | None = 5, **more: Any) -> RawMetric:
    kind, field = {int: (8, "long_value"), float: (10, "double_value"), str: (12, "string_value")}[type(value)]
    return RawMetric(name, alias, at, more.get("datatype", kind), more.get("historical", False), field, value)


def heard(
    kind: str, seq: int | None, *metrics: RawMetric, device: str | None = None, at_ns: int = NOW, sent: int = 5
) -> Heard:
    content = encode_payload(metrics, timestamp_ms=sent, seq=seq)
    return Heard(kind, device, decode_payload(content), at_ns, f"spBv1.0/g/{kind}/n", content)


def birth(bd_seq: int = 0, *metrics: RawMetric, sent: int = 5) -> Heard:
    return heard("NBIRTH", 0, metric("bdSeq", bd_seq), *metrics, sent=sent)


def death(bd_seq: int = 0) -> Heard:
    return heard("NDEATH", None, metric("bdSeq", bd_seq))


def born(*metrics: RawMetric) -> NodeSession:
    session = NodeSession(NOW)
    session.take(birth(0, *metrics), NOW)
    return session


def kinds(outcomes: Sequence[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def values(outcomes: Sequence[Outcome]) -> list[tuple[str, Any]]:
    return [
        (reading.name, reading.value)
        for outcome in outcomes
        if isinstance(outcome, Emit)
        for reading in outcome.readings
    ]


def test_a_birth_tells_names_and_first_values_and_what_the_aliases_mean() -> None:
    session = NodeSession(NOW)
    outcomes = session.take(birth(3, metric("power", 1.5, alias=7), metric("Node Control/Rebirth", 0)), NOW)
    assert kinds(outcomes) == [Born, Emit]
    assert isinstance(outcomes[0], Born)
    assert (outcomes[0].boot, outcomes[0].names) == ("sp-5-3", ("power",))
    assert values(outcomes) == [("power", 1.5)]
    assert values(session.take(heard("NDATA", 1, metric(None, 2.5, alias=7)), NOW)) == [("power", 2.5)]


def test_messages_are_numbered_for_each_device_without_holes() -> None:
    session = born(metric("power", 1.0))
    session.take(heard("DBIRTH", 1, metric("feed", 1.0, alias=1), device="a"), NOW)
    session.take(heard("DBIRTH", 2, metric("feed", 1.0, alias=2), device="b"), NOW)
    numbers: dict[str | None, list[int]] = {}
    for seq in range(3, 600):
        device = "a" if seq % 3 else "b"
        (emitted,) = session.take(
            heard("DDATA", seq % 256, metric(None, 1.0, alias=2 - seq % 3 % 2), device=device), NOW
        )[:1]
        assert isinstance(emitted, Emit)
        numbers.setdefault(device, []).append(emitted.seq)
    assert numbers["a"] == list(range(1, len(numbers["a"]) + 1))
    assert numbers["b"] == list(range(1, len(numbers["b"]) + 1))


def test_messages_out_of_order_are_put_in_order() -> None:
    session = born(metric("x", 0))
    assert session.take(heard("NDATA", 2, metric("x", 2)), NOW) == []
    assert session.take(heard("NDATA", 3, metric("x", 3)), NOW) == []
    assert values(session.take(heard("NDATA", 1, metric("x", 1)), NOW)) == [("x", 1), ("x", 2), ("x", 3)]
    assert session.tick(NOW + 10 * REORDER_NS) == []


def test_a_message_delivered_twice_counts_once() -> None:
    session = born(metric("x", 0))
    again = heard("NDATA", 1, metric("x", 1))
    assert values(session.take(again, NOW)) == [("x", 1)]
    assert session.take(again, NOW) == []
    assert session.tick(NOW + 10 * REORDER_NS) == []


def test_after_a_gap_names_are_believed_and_aliases_are_not() -> None:
    session = born(metric("x", 0, alias=1))
    assert session.take(heard("NDATA", 2, metric(None, 2, alias=1), metric("x", 3)), NOW) == []
    assert session.tick(NOW + REORDER_NS - 1) == []
    outcomes = session.tick(NOW + REORDER_NS)
    assert kinds(outcomes) == [AskRebirth, Emit, Refused]
    assert values(outcomes) == [("x", 3)]
    assert isinstance(outcomes[1], Emit)
    assert outcomes[1].seq == 2, "the missing one left a hole in the numbers"

    later = session.take(heard("NDATA", 3, metric(None, 4, alias=1), metric("x", 5)), NOW + REORDER_NS)
    assert (kinds(later), values(later)) == ([Emit, Refused], [("x", 5)])


def test_a_node_is_asked_once_until_it_is_born_again_or_speaks_on_for_long() -> None:
    session = born(metric("x", 0, alias=1))
    asked = 0
    for step in range(2, 200):
        at_ns = NOW + step * REORDER_NS // 2
        if at_ns - NOW > ASK_AGAIN_NS:
            break
        outcomes = session.take(heard("NDATA", step, metric(None, step, alias=1)), at_ns) + session.tick(at_ns)
        asked += kinds(outcomes).count(AskRebirth)
        assert values(outcomes) == []
    assert asked == 1
    later = NOW + 2 * ASK_AGAIN_NS
    assert kinds(session.take(heard("NDATA", 9, metric("x", 1)), later)) == [AskRebirth, Emit]

    outcomes = session.take(birth(0, metric("x", 7, alias=2)), later)
    assert values(outcomes) == [("x", 7)]
    assert values(session.take(heard("NDATA", 1, metric(None, 8, alias=2)), later)) == [("x", 8)]
    assert kinds(session.take(heard("NDATA", 2, metric(None, 9, alias=1)), later)) == [Emit, Refused]


def test_who_was_not_heard_to_be_born_is_asked_and_believed_by_name() -> None:
    session = NodeSession(NOW)
    outcomes = session.take(heard("DDATA", 77, metric(None, 1, alias=1), metric("feed", 2), device="d"), NOW)
    assert kinds(outcomes) == [AskRebirth, Emit, Refused]
    assert values(outcomes) == [("feed", 2)]
    assert session.boot.endswith("-unborn")


def test_a_device_that_was_not_born_is_asked_for() -> None:
    outcomes = born(metric("x", 0)).take(heard("DDATA", 1, metric("feed", 2), device="d"), NOW)
    assert (kinds(outcomes), values(outcomes)) == ([AskRebirth, Emit], [("feed", 2)])


def test_an_alias_of_another_device_is_not_this_ones() -> None:
    session = born(metric("x", 0, alias=1))
    session.take(heard("DBIRTH", 1, metric("feed", 1.0, alias=2), device="d"), NOW)
    assert kinds(session.take(heard("DDATA", 2, metric(None, 5, alias=1), device="d"), NOW)) == [Emit, Refused]


def test_a_death_of_an_earlier_connection_is_no_death() -> None:
    session = NodeSession(NOW)
    session.take(birth(4, metric("x", 1, alias=1)), NOW)
    assert session.take(death(3), NOW) == []
    assert values(session.take(heard("NDATA", 1, metric(None, 2, alias=1)), NOW)) == [("x", 2)]


def test_a_death_takes_the_devices_along_and_ends_all_aliases() -> None:
    session = born(metric("x", 1, alias=1))
    session.take(heard("DBIRTH", 1, metric("feed", 1.0, alias=2), device="d"), NOW)
    outcomes = session.take(death(0), NOW)
    assert [(type(o), getattr(o, "device", "?")) for o in outcomes] == [(Died, "d"), (Died, None)]
    assert {outcome.boot for outcome in outcomes if isinstance(outcome, Died)} == {"sp-5-0"}
    after = session.take(heard("NDATA", 2, metric(None, 2, alias=1)), NOW)
    assert kinds(after) == [AskRebirth, Emit, Refused]
    assert session.take(death(0), NOW) == []


def test_a_device_dies_alone() -> None:
    session = born(metric("x", 1, alias=1))
    session.take(heard("DBIRTH", 1, metric("feed", 1.0, alias=2), device="d"), NOW)
    assert kinds(session.take(heard("DDEATH", 2, device="d"), NOW)) == [Died]
    assert values(session.take(heard("NDATA", 3, metric(None, 2, alias=1)), NOW)) == [("x", 2)]


def test_a_birth_after_the_death_of_its_own_connection_is_doubted_once() -> None:
    session = NodeSession(NOW)
    assert session.take(death(5), NOW) == []
    assert kinds(session.take(birth(5, metric("x", 1)), NOW)) == [Born, Emit, AskRebirth]
    assert kinds(session.take(birth(5, metric("x", 1), sent=6), NOW)) == [Born, Emit]


def test_numbers_that_come_again_before_the_missing_one_end_the_waiting() -> None:
    session = born(metric("x", 0, alias=1))
    asked = []
    for place in range(MOST_HELD + 2):
        asked += session.take(heard("NDATA", (place + 2) % 256, metric(None, place, alias=1)), NOW)
    assert kinds(asked).count(AskRebirth) == 1
    assert values(asked) == []


def test_a_number_without_sense_is_refused() -> None:
    session = born(metric("x", 0))
    assert kinds(session.take(heard("NDATA", None, metric("x", 1)), NOW)) == [Refused]
    assert kinds(session.take(heard("NDATA", 256, metric("x", 1)), NOW)) == [Refused]
    assert kinds(session.take(heard("NDEATH", None), NOW)) == [Refused]


def test_null_is_no_value_and_a_missing_datatype_is_that_of_the_birth() -> None:
    session = born(RawMetric("small", 1, 5, 1, False, "int_value", 255), RawMetric("none", 2, 5, 10, False, None, None))
    outcomes = session.take(heard("NDATA", 1, RawMetric(None, 1, 6, None, False, "int_value", 254)), NOW)
    assert values(outcomes) == [("small", -2)]
    assert values(session.take(heard("NDATA", 2, RawMetric(None, 2, 6, None, False, None, None)), NOW)) == []


@pytest.mark.parametrize(
    ("datatype", "field", "raw", "value"),
    [
        (1, "int_value", 0xFFFFFFFB, -5),
        (1, "int_value", 0xFB, -5),
        (2, "int_value", 0x8000, -32_768),
        (3, "int_value", 2**32 - 1, -1),
        (4, "long_value", 2**64 - 5, -5),
        (5, "int_value", 255, 255),
        (7, "long_value", 2**32 - 1, 2**32 - 1),
        (8, "long_value", 2**64 - 1, 2**64 - 1),
        (9, "float_value", 1.5, 1.5),
        (11, "boolean_value", True, True),
        (12, "string_value", "żółć".encode(), "żółć"),
        (13, "long_value", 1_795_000_000_125, "2026-11-18T11:06:40.125Z"),
        (12, "string_value", b"\xff", Unsupported("text that is not UTF-8")),
        (16, "dataset_value", b"", Unsupported("a data set")),
        (19, "template_value", b"", Unsupported("a template")),
        (17, "bytes_value", b"", Unsupported("bytes")),
        (13, "long_value", 2**64 - 1, Unsupported("a time after 2262")),
        (None, "int_value", 1, Unsupported("a number without a datatype")),
        (99, "int_value", 1, Unsupported("a whole number of another type")),
    ],
)
def test_every_datatype_means_what_the_specification_says(
    datatype: int | None, field: str, raw: Any, value: Any
) -> None:
    content = encode_payload([RawMetric("x", None, 5, datatype, False, field, raw)], timestamp_ms=5)
    (found,) = decode_payload(content).metrics
    assert value_of(found, datatype) == value


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_refused(content: bytes) -> None:
    try:
        payload = decode_payload(content)
    except PayloadError:
        return
    for kind in ("NBIRTH", "NDATA", "NDEATH"):
        outcomes = NodeSession(NOW).take(Heard(kind, None, payload, NOW, "t", content), NOW)
        for outcome in outcomes:
            if isinstance(outcome, Emit | Born | Died):
                assert native_messages("lab", "g", "n", outcome)
        reason_of(f"spBv1.0/g/{kind}/n", content)


def test_topics_are_read_and_addresses_fit_into_one_level() -> None:
    assert parse_sparkplug_topic("spBv1.0/g/DDATA/n/d") == Place("g", "DDATA", "n", "d")
    assert parse_sparkplug_topic("spBv1.0/g/NDATA/n") == Place("g", "NDATA", "n", None)
    for other in ("spBv1.0/g/NCMD/n", "spBv1.0/STATE/h", "spBv1.0/g/DDATA/n", "spBv1.0/g/NDATA/n/d", "a/g/NDATA/n", ""):
        assert parse_sparkplug_topic(other) is None
    address = address_of("g", "n", "d")
    assert address == "sparkplug:g/n/d"
    assert address_on(level_of(address)) == address
    assert address_on("mill-1") is None


def test_what_waits_when_the_connection_ends_is_not_lost() -> None:
    session = born(metric("x", 0, alias=1))
    session.take(heard("NDATA", 2, metric("x", 2), metric(None, 3, alias=1)), NOW)
    outcomes = session.close(NOW)
    assert (kinds(outcomes), values(outcomes)) == ([Emit, Refused], [("x", 2)])
    assert session.close(NOW) == []


def test_a_node_with_very_many_metrics_makes_several_messages() -> None:
    readings = tuple(Reading(f"{'long' * 20}/{number}", 5, number, False) for number in range(5000))
    said = Emit(None, "b", 7, readings, 5, NOW)
    messages = [decode("data", payload) for _, payload in native_messages("lab", "g", "n", said)]
    assert max(len(payload) for _, payload in native_messages("lab", "g", "n", said)) <= 60_000
    found = {name: value for message in messages if isinstance(message, Data) for name, value in message.values.items()}
    assert found == {reading.name: reading.value for reading in readings}
    assert {message.seq for message in messages if isinstance(message, Data)} == {7}

    names = tuple(reading.name for reading in readings)
    ((_, payload),) = native_messages("lab", "g", "n", Born(None, "b", 5, names, NOW))
    birth = decode("birth", payload)
    assert isinstance(birth, Birth)
    assert 100 < len(birth.signals) < 5000


class Node:
    """A node that tells the truth: the value of every metric names the metric it is of."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._seq = 0
        self._at = 0
        self._names: dict[str | None, dict[int, str]] = {}

    def _next(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

    def speak(self) -> Heard:
        self._at += 1
        what = self._draw(st.sampled_from(["data"] * 8 + ["birth", "device birth"])) if self._names else "birth"
        if what == "birth":
            self._seq = 0
            self._names = {None: self._new_names(None)}
            return heard("NBIRTH", 0, metric("bdSeq", 1), *self._said(None), sent=self._at)
        if what == "device birth":
            device = self._draw(st.sampled_from(["a", "b"]))
            self._names[device] = self._new_names(device)
            return heard("DBIRTH", self._next(), *self._said(device), device=device, sent=self._at)
        device = self._draw(st.sampled_from(sorted(self._names, key=str)))
        alias, name = self._draw(st.sampled_from(sorted(self._names[device].items())))
        by_name = self._draw(st.booleans())
        said = metric(name if by_name else None, f"{device}/{name}#{self._at}", alias=alias)
        return heard("NDATA" if device is None else "DDATA", self._next(), said, device=device, sent=self._at)

    def _new_names(self, device: str | None) -> dict[int, str]:
        base = {None: 0, "a": 10, "b": 20}[device]
        names = self._draw(st.permutations(["x", "y", "z"]))
        return {base + place: name for place, name in enumerate(names)}

    def _said(self, device: str | None) -> list[RawMetric]:
        return [metric(name, f"{device}/{name}#{self._at}", alias=alias) for alias, name in self._names[device].items()]


@settings(deadline=None, max_examples=150, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_whatever_is_lost_repeated_or_late_no_value_gets_another_name(data: st.DataObject) -> None:
    node, session = Node(data.draw), NodeSession(NOW)
    sent = [node.speak() for _ in range(data.draw(st.integers(1, 25)))]
    way: list[Heard] = []
    barrier = 0
    for message in sent:
        if message.kind == "NBIRTH":  # one that is lost shows only where the numbers do not happen to fit
            way.append(message)
            barrier = len(way)
            continue
        for _ in range(data.draw(st.sampled_from([0, 1, 1, 1, 1, 2]))):
            way.insert(max(barrier, len(way) - data.draw(st.sampled_from([0, 0, 0, 1, 2, 5]))), message)
    now, asked_at = NOW, None
    lossless = way == sent
    for message in way:
        now += data.draw(st.sampled_from([MS, 100 * MS, REORDER_NS]))
        for outcome in session.take(message, now) + session.tick(now):
            if isinstance(outcome, AskRebirth):
                assert asked_at is None or now - asked_at >= ASK_AGAIN_NS, "asked twice"
                asked_at = now
            elif isinstance(outcome, Born) and outcome.device is None:
                asked_at = None
            elif isinstance(outcome, Emit):
                for reading in outcome.readings:
                    assert reading.value.startswith(f"{outcome.device}/{reading.name}#"), reading
            if lossless:
                assert not isinstance(outcome, Refused)
