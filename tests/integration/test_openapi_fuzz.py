"""Every operation of the API's own document, called with what the document allows and with what it does not.

Each call goes as a company's member and as the lab's manager, to an installation on SQLite and to one on PostgreSQL. No
call may end in a 5xx; every answer must be one that the document promises, refusals as problem+json.
`TEST_FUZZ_CALLS` asks for more calls of each operation than the few of the usual run.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lab.app import create_app
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.settings import Settings
from tests.integration.api_calls import ROLES, Installation, blended, instants, serve_installation

CALLS = int(os.environ.get("TEST_FUZZ_CALLS", "5"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def api_document() -> dict[str, Any]:
    """What the application says of itself at present."""
    database = Database("sqlite://")
    app = create_app(settings=Settings(), database=database, clock=SystemClock(), store=None, live=None)
    database.close()
    document: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return document


def without_tuples(node: Any) -> Any:
    """The document for schemathesis, which rewrites `prefixItems` in answers into a form that it then refuses."""
    if isinstance(node, list):
        return [without_tuples(part) for part in node]
    if isinstance(node, dict):
        return {name: without_tuples(part) for name, part in node.items() if name != "prefixItems"}
    return node


def load(document: dict[str, Any]) -> Any:
    schemathesis.openapi.format("date-time", instants())
    config = schemathesis.Config()
    config.cache.enabled = False
    config.projects.default.max_stream_events = 1
    config.projects.default.generation.update(with_security_parameters=False)  # who calls is ours to say
    return schemathesis.openapi.from_dict(without_tuples(document), config=config)


DOCUMENT = api_document()
OPERATIONS = {found.ok().label: found.ok() for found in load(DOCUMENT).get_all_operations()}


def when(label: str) -> int:
    """First things are made, then looked at, then changed."""
    method, path = label.split(" ")
    return 0 if method == "POST" and "{" not in path else 1 if method == "GET" else 2


@pytest.fixture(scope="module")
def installations(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Installation]]:
    """One on SQLite, one on PostgreSQL, with the same people and devices."""
    folder = tmp_path_factory.mktemp("fuzz")
    sqlite_file = shutil.copyfile(request.getfixturevalue("_sqlite_with_tables"), folder / "tables.sqlite")
    cluster = request.getfixturevalue("postgres_cluster")
    postgres_url = cluster.create_database(template=request.getfixturevalue("_postgres_with_tables"))
    with ExitStack() as stack:
        stack.callback(cluster.drop_database, postgres_url)
        yield [
            serve_installation(stack, url, tmp_path_factory.mktemp("served"), DOCUMENT)
            for url in (f"sqlite:///{sqlite_file}", postgres_url)
        ]


def check_refusal(label: str, response: Response) -> None:
    """A refusal names itself, and what is wrong where the request is to be mended."""
    problem = response.json()
    said = f"{label}: {response.status_code} {problem}"
    assert response.headers["content-type"] == ["application/problem+json"], said
    assert problem["status"] == response.status_code, said
    assert problem["type"].startswith("urn:pilotlab:problem:"), said
    assert problem["detail"].strip(), said
    if response.status_code == 422:
        assert problem["field"], said
        assert problem["rule"], said


@pytest.mark.parametrize("label", sorted(OPERATIONS, key=when))
def test_no_call_breaks_anything_and_every_answer_is_as_documented(
    installations: list[Installation], label: str
) -> None:
    operation = OPERATIONS[label]
    asks_for_something = list(operation.iter_parameters()) or operation.body
    modes = list(schemathesis.GenerationMode) if asks_for_something else [schemathesis.GenerationMode.POSITIVE]
    cases = st.one_of(*(operation.as_strategy(mode, feedback=NO_FEEDBACK) for mode in modes))

    @settings(
        max_examples=CALLS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, data=st.data())
    def call(case: schemathesis.Case, data: st.DataObject) -> None:
        chosen: dict[str, int | None] = {}

        def pick(name: str) -> int | None:
            if name not in chosen:
                number = st.integers(0, 20)
                chosen[name] = data.draw(st.one_of(number, number, number, st.none()), label=name)
            return chosen[name]

        case = blended(case, data)
        for where in installations:
            mine = where.with_known(case, pick)
            for role in ROLES:
                response = where.call(mine, role)
                mine.validate_response(response, checks=CHECKS)
                if response.status_code >= 400:
                    check_refusal(label, response)

    call()
    for where in installations:
        where.sign_in()
        for role in ROLES:
            assert where.get("/api/v1/me", role).status_code == 200, f"{role} was locked out"
