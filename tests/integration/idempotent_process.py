"""A caller with an `Idempotency-Key` in a process of its own: `python -m tests.integration.idempotent_process …`.

Prints `ready`, waits for a line, calls, prints the answer's status and whether it was given before. `--die STAGE` kills
it (SIGKILL) when it gets there.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from lab.core import idempotency
from lab.core.audit import note_change
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.idempotency import RequestKey, digest, once
from tests.factories import MONDAY_MORNING, principal

CALLER = principal(account_id="acc_caller")
STAGES = ("before-key", "before-effect", "after-effect", "before-commit", "after-commit")


class Deed(BaseModel):
    """What was done."""

    name: str


def request_key(key: str, body: str = "{}") -> RequestKey:
    """The key of a call to do something."""
    return RequestKey(key, digest("POST", "/deeds?", body.encode()))


def do_once(database: Database, key: RequestKey, *, during: Callable[[], object] = lambda: None) -> tuple[int, bool]:
    """Write a line into the log, once for each key; gives the status and whether the answer was given before."""

    def work(session: Session) -> Deed:
        note_change(session, "deed", key.key, "done", by=CALLER.account_id, at=MONDAY_MORNING)
        during()
        return Deed(name=key.key)

    response = once(key, database, CALLER, LabClock(MONDAY_MORNING), work, answer=lambda deed: deed)
    return response.status_code, response.headers.get("Idempotent-Replayed") == "true"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(stage: str) -> Callable[[], object]:
    """Have this process killed at a stage; gives what to do in the middle of the work."""

    def deadly(*_: Any, **__: Any) -> Any:
        die()

    original_make = idempotency.answer_once

    def die_after_answer(*arguments: Any, **more: Any) -> Any:
        original_make(*arguments, **more)
        die()

    if stage == "before-key":
        idempotency.answer_once = deadly
    elif stage == "before-effect":
        globals()["note_change"] = deadly
    elif stage == "after-effect":
        return die
    elif stage == "before-commit":
        idempotency.answer_once = die_after_answer
    elif stage == "after-commit":
        idempotency.Response = deadly  # type: ignore[misc, assignment]
    return lambda: None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--die", choices=STAGES)
    given = parser.parse_args()
    during = die_at(given.die) if given.die else lambda: None
    database = Database(given.url)
    with database.read() as session:
        session.connection()
    print("ready", flush=True)
    sys.stdin.readline()
    print(*do_once(database, request_key(given.key), during=during), flush=True)


if __name__ == "__main__":
    main()
