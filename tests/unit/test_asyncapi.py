"""The contract with machines: the committed document is what the code says, and every example is read and valid."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from devices.messages.asyncapi import EXAMPLES, SENML_EXAMPLE, asyncapi_document
from devices.messages.native import KINDS, Data
from devices.messages.topics import parse_topic
from lab.core.settings import Settings
from telemetry.decoding import IGNORED_KINDS, LISTENED_KINDS
from telemetry.formats import DATA_KINDS, decode

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r"^```(?:json|text) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = FENCE.findall((DOCS / "messages.md").read_text())


def validator(name: str) -> Any:
    document = asyncapi_document()
    payload = document["components"]["messages"][name]["payload"]
    return jsonschema_rs.validator_for({**payload, "components": document["components"]})


def test_the_committed_document_is_what_the_code_says() -> None:
    committed = json.loads((DOCS / "asyncapi.json").read_text())
    assert committed == json.loads(json.dumps(asyncapi_document())), "run `pilotlab asyncapi > docs/asyncapi.json`"


def test_the_document_names_every_kind_that_is_listened_to() -> None:
    channels = asyncapi_document()["channels"].values()
    kinds = {place.kind for channel in channels if (place := parse_topic(channel["address"])) is not None}
    assert kinds == LISTENED_KINDS | IGNORED_KINDS


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi_document()
    found = list(references(document))
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    assert set(document["operations"]) == set(document["channels"])


def references(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        if isinstance(content.get("$ref"), str):
            yield content["$ref"]
        for inner in content.values():
            yield from references(inner)
    elif isinstance(content, list):
        for inner in content:
            yield from references(inner)


def test_every_example_is_valid_and_read() -> None:
    assert set(EXAMPLES) == set(KINDS)
    for kind, examples in EXAMPLES.items():
        for example in examples:
            payload = msgspec.json.encode(example)
            assert validator(kind).is_valid(json.loads(payload)), payload
            assert decode(kind, payload) == example
    assert validator("data_senml").is_valid(SENML_EXAMPLE)
    assert isinstance(decode("data/senml", json.dumps(SENML_EXAMPLE).encode()), Data)


def test_the_guide_shows_every_kind() -> None:
    assert {kind for kind, _ in SHOWN} == LISTENED_KINDS | IGNORED_KINDS


@pytest.mark.parametrize(("kind", "text"), SHOWN, ids=[f"{n}-{kind}" for n, (kind, _) in enumerate(SHOWN)])
def test_what_the_guide_shows_is_read(kind: str, text: str) -> None:
    payload = bytes.fromhex(text) if kind == "data/cbor" else text.encode()
    message = decode(kind, payload)
    if kind in DATA_KINDS:
        assert isinstance(message, Data)
        assert message.values or message.waves or message.samples
    if kind != "data/cbor":
        assert validator(kind.replace("/", "_")).is_valid(json.loads(text))


@pytest.mark.parametrize(
    "content",
    [
        {"boot": "b", "seq": 1},
        {"boot": "b", "seq": -1, "time": 1, "values": {}},
        {"boot": "b", "seq": 1, "time": 1, "values": {}, "samples": {}},
        {"boot": "", "seq": 1, "time": 1, "values": {}},
        {"boot": "b", "seq": 1, "time": 1.5, "values": {}},
    ],
)
def test_what_the_code_refuses_the_document_refuses_too(content: dict[str, Any]) -> None:
    assert not validator("data").is_valid(content)


def test_the_settings_it_names_exist() -> None:
    text = (DOCS / "messages.md").read_text() + json.dumps(asyncapi_document())
    for name in re.findall(r"`(sparkplug_\w+)`", text):
        assert name in Settings.model_fields
