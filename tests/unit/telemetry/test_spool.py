"""The spool keeps what it was given: through restarts, kills, full disks and flipped bytes."""

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.errors import SpoolUnavailableError
from telemetry.spool import Spool, SpooledMessage

APPENDER = """
import sys
from pathlib import Path
from telemetry.spool import Spool, SpooledMessage
spool = Spool(Path(sys.argv[1]))
for number in range(1, 100_000):
    batch = [SpooledMessage(f"t/{number}", b"x" * 300, 300, number, 0, False) for _ in range(number % 7 + 1)]
    print(spool.append(batch), flush=True)
"""


def message(number: int, *, size: int = 40) -> SpooledMessage:
    return SpooledMessage(f"t/{number}", bytes([number % 256]) * size, size, number, number - 1, number % 2 == 0)


def batch(first: int, count: int, *, size: int = 40) -> list[SpooledMessage]:
    return [message(number, size=size) for number in range(first, first + count)]


def test_messages_come_back_as_they_were_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.append(batch(1, 3)) == 3
    assert spool.append(batch(4, 500)) == 503
    spool.close()

    again = Spool(tmp_path / "spool")
    assert again.head == 503
    assert again.read(0, 1000) == [(number, message(number)) for number in range(1, 504)]
    assert again.read(2, 3) == [(number, message(number)) for number in (3, 4, 5)]
    assert again.append(batch(504, 1)) == 504
    assert again.depth == 504
    again.close()


def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", start_after=1000)
    assert spool.append(batch(1, 2)) == 1002
    assert spool.append(batch(3, 2)) == 1004
    assert spool.delete_through(1004) == 2  # the newest batch stays, and with it the last number
    spool.close()

    again = Spool(tmp_path / "spool", start_after=7)
    assert again.append(batch(1, 1)) == 1005
    again.close()


def test_only_old_messages_are_forgotten(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for first in (1, 11, 21, 31):
        spool.append(batch(first, 10))

    assert spool.delete_through(30, received_before_ns=20) == 10
    assert spool.oldest == 11
    assert [number for number, _ in spool.read(0, 100)] == list(range(11, 41))
    spool.close()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=10), st.integers(0, 100), st.integers(1, 60))
def test_reading_gives_what_lies_above_in_order(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], after: int, limit: int
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool") / "spool")
    for count in counts:
        spool.append(batch(spool.head + 1, count))
    wanted = range(after + 1, min(after + limit, sum(counts)) + 1)
    assert spool.read(after, limit) == [(number, message(number)) for number in wanted]
    spool.close()


def test_what_append_returned_survives_kill_9(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(tmp_path / "spool")],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdout is not None
        confirmed = 0
        for _ in range(random.Random(seed).randrange(20, 200)):
            confirmed = int(process.stdout.readline())
        process.kill()
        confirmed = max([confirmed, *(int(line) for line in process.stdout.read().split(b"\n")[:-1])])
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        spool = Spool(tmp_path / "spool")
        found = [number for number, _ in spool.read(0, 10**6)]
        spool.close()
        print(f"seed {seed}: confirmed {confirmed}, found {len(found)}")
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= confirmed


def test_a_full_disk_keeps_nothing_of_a_batch_and_heals(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(batch(1, 5))
    pages = spool._writer.execute("PRAGMA page_count").fetchone()[0]
    spool._writer.execute(f"PRAGMA max_page_count = {pages}")
    noise = [SpooledMessage("t", random.Random(1).randbytes(100_000), 100_000, 6, 0, False)]
    for _ in range(3):
        with pytest.raises(SpoolUnavailableError, match="full"):
            spool.append(noise)
    assert spool.head == 5
    assert spool.depth == 5

    spool._writer.execute("PRAGMA max_page_count = 1000000")
    assert spool.append(noise) == 6
    assert spool.read(5, 10) == [(6, noise[0])]
    spool.close()


def test_a_damaged_batch_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for first in (1, 11, 21):
        spool.append(batch(first, 10, size=400))
    spool.close()
    with closing(sqlite3.connect(tmp_path / "spool")) as connection, connection:
        connection.execute("UPDATE batches SET body = zeroblob(length(body)) WHERE last = 20")

    spool = Spool(tmp_path / "spool")
    assert [number for number, _ in spool.read(0, 100)] == [*range(1, 11), *range(21, 31)]
    spool.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_byte_anywhere_does_not_keep_it_from_starting(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path = tmp_path / "spool"
    spool = Spool(path)
    for first in range(1, 401, 10):
        spool.append([SpooledMessage("t", dice.randbytes(300), 300, first, 0, False) for _ in range(10)])
    whole = dict(spool.read(0, 1000))
    spool.close()
    content = bytearray(path.read_bytes())
    place = dice.randrange(len(content))
    content[place] ^= 1 << dice.randrange(8)
    path.write_bytes(content)

    spool = Spool(path, start_after=400)
    found = dict(spool.read(0, 1000))
    print(f"seed {seed}: byte {place} of {len(content)} flipped, {len(found)} of {len(whole)} left")
    assert all(whole[number] == kept for number, kept in found.items())
    assert spool.append(batch(1, 1)) > 400
    spool.close()


def test_a_file_that_is_no_spool_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"this is no database" * 1000)

    spool = Spool(path, start_after=9)
    assert spool.append(batch(1, 1)) > 9
    assert (tmp_path / "spool.damaged-1").exists()
    spool.close()
