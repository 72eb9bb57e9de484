"""`pilotlab doctor` on an installation with its database."""

from datetime import timedelta
from pathlib import Path

import pytest

from lab.core.clock import SystemClock
from lab.core.jobs import enqueue
from lab.core.settings import Settings
from lab.doctor import Finding, examine
from lab.system import open_database


@pytest.mark.parametrize(("minutes", "level"), [(1, "good"), (10, "mind")])
def test_jobs_that_nobody_does_are_named(tmp_path: Path, minutes: int, level: str) -> None:
    settings = Settings(data_dir=tmp_path)
    database = open_database(settings)
    due = SystemClock().now() - timedelta(minutes=minutes)
    with database.write() as session:
        enqueue(session, kind="mail", key="waits", payload={}, now=due)
    database.close()
    found = _about_jobs(settings)
    assert found.level == level
    assert ("pilotlab worker" in found.what_to_do) == (level == "mind")


def _about_jobs(settings: Settings) -> Finding:
    return next(finding for finding in examine(settings) if finding.part == "jobs")
