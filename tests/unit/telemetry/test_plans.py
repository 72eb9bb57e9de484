"""Messages whose form is known mean what they mean when they are read with care."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.service import SignalFacts
from telemetry.batches import Batch
from telemetry.interpreting import Interpreter
from telemetry.plans import Plans
from telemetry.settling import SECOND_NS
from telemetry.spool import SpooledMessage

NOW = 1_795_000_000 * SECOND_NS
TOPIC = "pilotlab/lab/mill-1/data"
SIGNALS = {
    "mill-1": {
        "power": SignalFacts("number", low=0.0, high=7.5),
        "feed": SignalFacts("number"),
        "load": SignalFacts("number", high=1.0),
        "on": SignalFacts("boolean"),
    }
}

numbers = st.floats(-20, 20) | st.integers(-20, 20)
odd = st.sampled_from([2**53 + 1, -(2**60), 2**70, 10**400, True, None, "1.5", float("nan"), float("inf"), [1], {}])
usual = st.fixed_dictionaries({"power": numbers, "feed": numbers, "load": numbers})
unusual = st.dictionaries(st.sampled_from(["power", "feed", "load", "on", "far"]), numbers | odd, max_size=5)
times = st.integers(-3, 3).map(lambda place: NOW + place * SECOND_NS) | st.sampled_from(
    [0, 5, NOW + 10**18, -1, "2026-11-22T09:30:00.125Z", "yesterday", 1.5, None]
)
messages = st.fixed_dictionaries(
    {
        "boot": st.sampled_from(["a", "a", "a", "b", "", "\ud800", "a\u0000"]),
        "seq": st.integers(0, 9) | st.sampled_from([-1, 2**63, 2**63 - 1, 1.0, "1"]),
        "time": st.just(NOW) | times,
        "values": usual | usual | usual | unusual,
    },
    optional={
        "buffered": st.booleans(),
        "units": st.just({"power": "kW"}),
        "rate_hz": st.just(5),
        "unheard_of": st.none(),
    },
)
plain = st.fixed_dictionaries(
    {"boot": st.just("a"), "seq": st.integers(0, 99), "time": st.integers(NOW - SECOND_NS, NOW), "values": usual}
)


class NoPlans(Plans):
    """Everything is read with care."""

    def of(self, topic: str) -> None:
        """None."""


def read(sent: list[tuple[bytes, bool]], *, planned: bool) -> tuple[Batch, Interpreter]:
    reader = Interpreter("lab", lambda _: SIGNALS, lambda *_: None, max_payload_bytes=10_000, tolerance_ns=SECOND_NS)
    reader.plans = reader.plans if planned else NoPlans()
    batch = Batch()
    for number, (body, retained) in enumerate(sent, 1):
        message = SpooledMessage(TOPIC, body, len(body), NOW, NOW - SECOND_NS, retained)
        reader.read(number, message, batch)
    return batch, reader


def body_of(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples((plain | messages).map(body_of), st.sampled_from([False, False, True])), max_size=12))
def test_a_known_form_changes_nothing_of_what_is_read(sent: list[tuple[bytes, bool]]) -> None:
    (ours, _), (careful, _) = read(sent, planned=True), read(sent, planned=False)
    order = [(name, "ascending") for name in ("boot", "device_ns", "received_ns", "signal", "value")]
    assert ours.samples.table().sort_by(order).equals(careful.samples.table().sort_by(order))
    assert ours.sequences == careful.sequences
    assert ours.change_points == careful.change_points
    assert ours.assignments == careful.assignments
    assert {key: clock.last for key, clock in ours.clocks.items()} == {
        key: clock.last for key, clock in careful.clocks.items()
    }
    left_out = ("at", "key")
    letters = [
        [{name: value for name, value in letter.items() if name not in left_out} for letter in batch.letters]
        for batch in (ours, careful)
    ]
    assert letters[0] == letters[1]


def test_the_usual_message_is_read_by_plan_from_the_third_on() -> None:
    values = {"power": 1.5, "feed": 2, "load": 0.5}
    sent = [(body_of({"boot": "a", "seq": seq, "time": NOW, "values": values}), False) for seq in range(3)]
    batch, reader = read(sent, planned=True)
    plan = reader.plans.of(TOPIC)
    assert plan is not None
    said = plan.read(sent[2][0])
    assert said is not None
    assert (said[0].boot, said[0].seq, said[0].time, list(said[1])) == ("a", 2, NOW, [1.5, 2.0, 0.5])
    assert plan.read(msgspec.json.encode({"boot": "a", "seq": 1, "time": NOW, "values": values | {"far": 1}})) is None
    assert len(batch.samples) == 9


def test_a_topic_without_one_form_is_left_alone_after_a_while() -> None:
    plans = Plans()
    for number in range(200):
        plans.note(TOPIC, ("power",) if number % 3 else ("feed",))
    assert plans.of(TOPIC) is None
    for number in range(2000):  # somebody invents topics: memory does not grow with them
        plans.note(f"{TOPIC}/{number}", ("power",))
        plans.note(f"{TOPIC}/{number}", ("power",))
    assert len(plans._plans) <= 256
