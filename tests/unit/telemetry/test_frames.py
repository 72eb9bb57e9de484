"""What viewers are sent: made once for all who may see the same, and nothing that somebody may not see."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from telemetry.grants import BEGINNING_NS, END_NS
from telemetry.live.frames import Edition, Frame, Frames, Shown, View, joined
from telemetry.live.reduction import Value
from telemetry.live.rings import DeviceRings, Stamp

ALL = View(frozenset(), ((BEGINNING_NS, END_NS),), uncertain=True)
MS = 1_000_000


def frames_of(*stamps: tuple[int, Value], latest: int = 0, uncertain: bool = False) -> tuple[Frames, DeviceRings]:
    """Frames of points of `power` at these milliseconds."""
    rings = DeviceRings()
    rings.put({"power": [Stamp(at * MS, value, uncertain, (at + latest) * MS) for at, value in stamps]})
    return Frames(rings.between), rings


def sent(frame: Frame | None) -> dict[str, list[list[object]]]:
    if frame is None:
        return {}
    name, data, *rest = frame.body.decode().split("\n")
    assert (name, rest) == ("event: values", ["", ""])
    values: dict[str, list[list[object]]] = msgspec.json.decode(data.removeprefix("data: "))["values"]
    return values


def test_viewers_with_the_same_sight_share_one_frame() -> None:
    frames, rings = frames_of((1, 1.0), (2, 2.0))
    edition = Edition(1, rings.last_number, 5 * MS)
    bodies = {id(frames.frame(ALL, 0, edition)) for _ in range(50)}
    assert (len(bodies), frames.encoded) == (1, 1)
    frames.frame(View(frozenset({"power"}), ALL.spans, uncertain=True), 0, edition)
    frames.frame(View(frozenset(), ((0, 2 * MS),), uncertain=False), 0, edition)
    assert frames.encoded == 3


def test_a_frame_ends_at_its_edition() -> None:
    frames, rings = frames_of((1, 1.0))
    edition = Edition(1, rings.last_number, 5 * MS)
    rings.put({"power": [Stamp(2 * MS, 2.0, False, 2 * MS)]})
    assert sent(frames.frame(ALL, 0, edition)) == {"power": [[1, 1.0]]}
    assert sent(frames.frame(ALL, 1, Edition(2, rings.last_number, 6 * MS))) == {"power": [[2, 2.0]]}


def test_whoever_was_slow_gets_what_was_between_once() -> None:
    frames, rings = frames_of((1, 1.0))
    rings.put({"power": [Stamp(at * MS, float(at), False, at * MS) for at in range(2, 300)]})
    slow = sent(frames.frame(ALL, 1, Edition(9, rings.last_number, 400 * MS)))["power"]
    assert len(slow) <= 100
    assert (slow[0][0], slow[-1]) == (2, [299, 299])


def test_points_outside_the_granted_span_are_not_sent() -> None:
    frames, rings = frames_of((9, 9.0), (10, 10.0), (19, 19.0), (20, 20.0))
    edition = Edition(1, rings.last_number, 30 * MS)
    slot = View(frozenset(), ((10 * MS, 20 * MS),), uncertain=False)
    assert sent(frames.frame(slot, 0, edition)) == {"power": [[10, 10], [19, 19]]}
    unsure, rings = frames_of((10, 10.0), uncertain=True)
    assert sent(unsure.frame(slot, 0, edition)) == {}


def test_a_point_that_may_be_of_the_next_slot_is_sent_to_neither() -> None:
    """Its clock is not known: it says 19.5 and came at 20.5, when the next slot had begun."""
    frames, rings = frames_of((195, 1.0), latest=10)
    edition = Edition(1, rings.last_number, 300 * MS)
    for slot in ((100 * MS, 200 * MS), (200 * MS, 300 * MS)):
        assert frames.frame(View(frozenset(), (slot,), uncertain=False), 0, edition) is None
    assert frames.frame(View(frozenset(), ((100 * MS, 300 * MS),), uncertain=False), 0, edition) is not None


series = st.lists(st.integers(0, 50), unique=True, max_size=20).map(sorted)


@given(past=series, present=series)
def test_what_was_stored_and_what_is_live_are_joined_without_repetition(past: list[int], present: list[int]) -> None:
    def shown(times: Sequence[int]) -> dict[str, list[Shown]]:
        return {"power": [(at, float(at)) for at in times]} if times else {}

    times = [at for at, _ in joined(shown(past), shown(present)).get("power", [])]
    assert all(a < b for a, b in pairwise(times))
    newest = past[-1] if past else -1
    assert times == [*past, *(at for at in present if at > newest)]


def test_the_memory_of_frames_is_bounded() -> None:
    frames, rings = frames_of((1, 1.0))
    for number in range(1000):
        frames.frame(ALL, 0, Edition(number, rings.last_number, 0))
    assert len(frames._made) <= 64
