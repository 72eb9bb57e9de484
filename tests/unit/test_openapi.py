"""The committed API document is what the application says of itself."""

import json
from pathlib import Path

from lab.app import create_app
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.settings import load_settings

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def test_committed_document_is_the_present_api() -> None:
    database = Database("sqlite://")
    app = create_app(settings=load_settings(), database=database, clock=SystemClock(), store=None, live=None)
    database.close()
    assert json.loads(COMMITTED.read_text()) == json.loads(json.dumps(app.openapi())), "run `make openapi`"
