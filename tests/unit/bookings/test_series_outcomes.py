"""What the refusal of one of several wishes means for all of them."""

from typing import Any

import pytest

from bookings.errors import DeviceBusyError, RuleBrokenError
from bookings.models import Booking
from bookings.series.errors import NothingBookedError
from bookings.series.outcomes import MOST_TOLD, Mode, Outcome, is_decided, refusal_facts, require_enough
from lab.core.errors import PilotLabError

BUSY = DeviceBusyError("mill-1 is taken", field="start", rule="device-free", alternatives=[])
CLOSED = RuleBrokenError("the lab is closed", field="end", rule="opening-hours", nearest=None)


def outcomes(*refusals: PilotLabError | None) -> list[Outcome]:
    return [
        Outcome(number, f"slot {number}", {"start": f"s{number}"}, None if refusal else Booking(), refusal)
        for number, refusal in enumerate(refusals, start=1)
    ]


def refused(mode: Mode, *refusals: PilotLabError | None, **options: Any) -> PilotLabError:
    with pytest.raises(PilotLabError) as caught:
        require_enough(outcomes(*refusals), mode, **options)
    return caught.value


def test_without_a_refusal_nothing_is_said() -> None:
    for mode in Mode:
        require_enough(outcomes(None, None), mode)
        require_enough([], mode)


def test_all_or_nothing_tells_the_first_refusal_by_its_own_kind_and_all_of_them_as_facts() -> None:
    error = refused(Mode.ALL, None, CLOSED, BUSY, list_name="bookings")
    assert type(error) is RuleBrokenError
    assert error.message.startswith("nothing is done, because of number 2, slot 2: the lab is closed (and 1 more")
    assert (error.facts["field"], error.facts["rule"], error.facts["number"]) == ("bookings.1.end", "opening-hours", 2)
    assert error.facts["refusals"][1] == {"number": 3, "start": "s3", "refusal": refusal_facts(BUSY)}


def test_the_field_of_one_rule_for_all_is_called_as_in_the_request() -> None:
    assert refused(Mode.ALL, BUSY, None).facts["field"] == "start"


def test_what_is_possible_is_kept_unless_it_is_nothing() -> None:
    require_enough(outcomes(None, BUSY), Mode.POSSIBLE)
    error = refused(Mode.POSSIBLE, BUSY, CLOSED)
    assert isinstance(error, NothingBookedError)
    assert [one["refusal"]["kind"] for one in error.facts["refusals"]] == ["conflict", "invalid"]


def test_where_one_refusal_undoes_everything_not_all_of_them_are_looked_for() -> None:
    many = outcomes(None, *[BUSY] * MOST_TOLD)
    assert is_decided(many, Mode.ALL)
    assert not is_decided(many[:-1], Mode.ALL)
    assert not is_decided(many, Mode.POSSIBLE)
