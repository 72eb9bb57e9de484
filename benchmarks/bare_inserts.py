"""The limit of creates: the rows of bookings written by psycopg alone, a transaction each, one trip to the server each.

Nothing is checked but what the database checks itself. Each connection is a process of its own.
"""

import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import psycopg
from psycopg.types.json import Json

Rows = list[tuple[str, dict[str, Any]]]


def insert_all(url: str, connections: Sequence[Sequence[Rows]]) -> float:
    """Have each connection write its bookings, all at the same time; gives bookings per second."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.bare_inserts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
            for _ in connections
        ]
        for process, bookings in zip(started, connections, strict=True):
            assert process.stdin is not None
            pickle.dump((url, list(bookings)), process.stdin)
            process.stdin.flush()
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()  # connected
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        times = [tuple(map(float, process.stdout.readline().split())) for process in started if process.stdout]
    return sum(map(len, connections)) / (max(end for _, end in times) - min(begin for begin, _ in times))


def _insert(url: str, bookings: Sequence[Rows]) -> tuple[float, float]:
    statements = {
        table: f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})"
        for table, values in bookings[0]
    }
    prepared = [
        [
            (statements[table], [Json(value) if isinstance(value, dict) else value for value in values.values()])
            for table, values in rows
        ]
        for rows in bookings
    ]
    with psycopg.connect(url, prepare_threshold=1) as connection:
        print("connected", flush=True)
        sys.stdin.buffer.read()  # until everybody is
        started = time.monotonic()
        for rows in prepared:
            with connection.pipeline(), connection.transaction():
                for statement, values in rows:
                    connection.execute(statement, values)
        return started, time.monotonic()


if __name__ == "__main__":
    print(*_insert(*pickle.load(sys.stdin.buffer)), flush=True)
