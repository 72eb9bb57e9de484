"""A spool that is damaged, at rest or while it is in use, goes on and says exactly what it has lost."""

import random
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import SpoolUnavailableError
from telemetry.spool import Spool, SpooledMessage
from telemetry.spool_file import Held, Loss, lost_between

SECOND_NS = 10**9


def batch(number: int, *, count: int = 10, dice: random.Random | None = None) -> list[SpooledMessage]:
    payload = (dice or random.Random(number)).randbytes(300)
    return [SpooledMessage("t", payload, 300, number * SECOND_NS, 0, False) for _ in range(count)]


def numbers_of(losses: list[Loss]) -> set[int]:
    return {number for loss in losses for number in range(loss.first, loss.last + 1)}


def keep_reading(spool: Spool) -> dict[int, SpooledMessage]:
    """As the drain does: a spool that says "not now" is asked again."""
    for _ in range(5):
        try:
            return dict(spool.read(0, 10**6))
        except SpoolUnavailableError:
            continue
    raise AssertionError("the spool never healed")


@pytest.mark.parametrize("seed", range(20))
def test_a_spool_that_turns_bad_in_use_heals_and_names_what_is_lost(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path = tmp_path / "spool"
    spool = Spool(path)
    written: dict[int, SpooledMessage] = {}
    for number in range(1, 201):
        messages = batch(number)
        last = spool.append(messages)
        written |= {last - 9 + place: message for place, message in enumerate(messages)}
    spool._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        for _ in range(3):
            page = dice.randrange(1, path.stat().st_size // 4096)
            file.seek(page * 4096)
            file.write(dice.randbytes(4096))

    spool._reader.execute("PRAGMA shrink_memory")
    for _ in range(3):
        try:
            spool.append(batch(201))
            break
        except SpoolUnavailableError:
            continue
    found = keep_reading(spool)
    lost = numbers_of(spool.losses())
    missing = set(written) - set(found)
    print(f"seed {seed}: {len(written)} written, {len(missing)} missing, {spool.repairs} repairs")
    assert all(found[number] == message for number, message in written.items() if number in found)
    assert lost >= missing
    assert not lost & set(found)
    assert len(missing) <= 400, "what lies around the damage is still there"
    spool.close()


@pytest.mark.parametrize("seed", range(10))
def test_a_torn_write_ahead_file_is_noticed(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path = tmp_path / "spool"
    spool = Spool(path)
    for number in range(1, 101):
        spool.append(batch(number))
    copy = tmp_path / "copy"
    copy.mkdir()
    for part in ("spool", "spool-wal", "spool.head"):  # as a kill leaves them; closing would empty the write-ahead file
        (copy / part).write_bytes((tmp_path / part).read_bytes())
    spool.close()
    content = bytearray((copy / "spool-wal").read_bytes())
    place = dice.randrange(32, len(content))
    content[place] ^= 1 << dice.randrange(8)
    (copy / "spool-wal").write_bytes(content)

    spool = Spool(copy / "spool")
    found = {number for number, _ in spool.read(0, 10**6)}
    losses = spool.losses()
    print(f"seed {seed}: byte {place} flipped, {len(found)} of 1000 left, lost {losses}")
    assert found | numbers_of(losses) == set(range(1, 1001))
    assert not found & numbers_of(losses)
    for loss in losses:
        assert loss.to_ns == 100 * SECOND_NS
        assert loss.from_ns == (max(found) // 10 * SECOND_NS if found else None)
    assert spool.append(batch(101)) > 1010, "no number is used twice"
    spool.close()


def test_a_damaged_batch_is_named_with_its_numbers_and_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for number in (1, 2, 3):
        spool.append(batch(number))
    with closing(sqlite3.connect(tmp_path / "spool")) as connection, connection:
        connection.execute("UPDATE batches SET body = zeroblob(length(body)) WHERE last = 20")

    assert len(spool.read(0, 100)) == 20
    losses = spool.losses()
    assert [(loss.first, loss.last, loss.from_ns, loss.to_ns) for loss in losses] == [
        (11, 20, SECOND_NS, 2 * SECOND_NS)
    ]
    spool.forget_losses(losses)
    assert spool.losses() == []
    spool.close()


def test_the_name_and_the_notes_survive_damage(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    spool = Spool(path)
    name = spool.id
    for number in range(1, 101):
        spool.append(batch(number))
    spool.remember("drained", 400)
    spool.note_checkpoint(300, 5)
    spool.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 8192)
        file.write(b"\xff" * 4096)

    spool = Spool(path)
    assert (spool.id, spool.note("drained"), spool.checkpoint_before(5)) == (name, 400, 300)
    assert spool.head > 1000
    assert all(loss.first > 400 for loss in spool.losses()), "what is stored is not lost"
    spool.close()


def test_a_new_spool_begins_above_everything_that_was_ever_used(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "first", begin_at=5_000_000)
    assert spool.append(batch(1)) == 5_000_010
    assert spool.depth == 10
    spool.close()
    again = Spool(tmp_path / "first", begin_at=9_000_000)
    assert again.append(batch(1)) == 5_000_020, "only a new one"
    assert again.losses() == []
    assert again.depth == 20
    again.close()
    other = Spool(tmp_path / "second", begin_at=5_000_000)
    assert other.id != again.id
    other.close()


def test_a_spool_whose_file_was_taken_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    spool = Spool(path)
    spool.append(batch(1))
    spool.remember("drained", 10)
    spool.close()
    path.unlink()

    spool = Spool(path, start_after=4)
    assert [(loss.first, loss.last) for loss in spool.losses()] == [(5, 10)]
    assert spool.append(batch(2)) > 20
    spool.close()


ranges = st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=20)


@given(ranges, st.integers(0, 30), st.sets(st.integers(0, 19)))
def test_lost_is_what_was_given_a_number_and_is_not_there(
    batches: list[tuple[int, bool]], safe: int, gone: set[int]
) -> None:
    head, held, jumps, given_numbers = 0, [], [], set()
    for place, (count, jumps_before) in enumerate(batches):
        if jumps_before:
            jumps.append((head, head + 8))
            head += 7
        numbers = range(head + 1, head + count + 1)
        given_numbers |= set(numbers)
        head += count
        if place not in gone:
            held.append(Held(numbers[0], numbers[-1], place + 1))
    there = {number for one in held for number in range(one.first, one.last + 1)}
    found = lost_between(held, jumps, safe=safe, mark=(head, 99))
    assert numbers_of(found) == {number for number in given_numbers - there if number > safe}
    assert all(first.last < second.first for first, second in pairwise(found))
