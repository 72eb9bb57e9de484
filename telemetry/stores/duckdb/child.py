"""A program of its own: reads a DuckDB file whole, or copies one. Prints one line of JSON.

In a process of its own for two reasons: DuckDB may end the process when a file is damaged, and closing any handle of a
file would give up the lock that this process holds on it.
"""

import hashlib
import json
import os
import sys

import duckdb

_CHUNK = 1 << 20


def look(path: str) -> dict[str, object]:
    """Read every block of a file, its write-ahead file included, without changing either."""
    connection = duckdb.connect(path, read_only=True, config={"memory_limit": "256MB"})
    tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
    sums = {
        name: connection.execute(f'SELECT count(*), sum(hash(COLUMNS(*)))::VARCHAR FROM "{name}"').fetchall()[0][0]  # noqa: S608
        for name in tables
    }
    marks: list[tuple[str, int, int]] = []
    if "watermarks" in tables:
        query = "SELECT spool, max(watermark), max(received_ns) FROM watermarks GROUP BY spool"
        marks = connection.execute(query).fetchall()
    proved = connection.execute("SELECT max(value) FROM facts WHERE name = 'proved'") if "facts" in tables else None
    [(least,)] = proved.fetchall() if proved else [(None,)]
    connection.close()
    if sums.get("samples", 0) < (least or 0):
        return {"error": f"it holds {sums.get('samples', 0)} samples, and {least} had been proved"}
    return {
        "rows": sums.get("samples", 0),
        "watermarks": {spool: mark for spool, mark, _ in marks},
        "received_ns": max((received for _, _, received in marks), default=None),
    }


def copy(source: str, target: str) -> dict[str, object]:
    """Copy a file to the disk, and say what was copied."""
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            size += writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return {"sha256": digest.hexdigest(), "bytes": size}


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    try:
        answer = look(*arguments) if command == "look" else copy(*arguments)
    except (duckdb.Error, OSError, ValueError) as error:
        answer = {"error": str(error).partition("\n")[0][:300]}
    sys.stdout.write(json.dumps(answer) + "\n")
