"""One tree of errors, each with a kind, a sentence and facts."""

import json

import pytest

from lab.core import errors
from lab.core.errors import ConflictError, PilotLabError
from lab.core.ids import new_id

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PilotLabError)]


def test_kinds_are_told_apart_by_name() -> None:
    assert len({kind.kind for kind in KINDS}) == len(KINDS) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_error_is_its_sentence_and_keeps_its_facts(kind: type[PilotLabError]) -> None:
    error = kind("the mill is taken; take the next slot", field="start", nearest=["10:00"])
    assert str(error) == error.message == "the mill is taken; take the next slot"
    assert json.loads(json.dumps(error.facts)) == {"field": "start", "nearest": ["10:00"]}


def test_error_of_a_domain_is_of_its_kind() -> None:
    class DeviceBusyError(ConflictError):
        """Somebody else has the device."""

    assert DeviceBusyError("taken").kind == "conflict"


def test_identifiers_say_their_kind_and_cannot_be_guessed() -> None:
    made = {new_id("bkg") for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(id) == 24 and id.startswith("bkg_") for id in made)
