"""Lab, class and device: which rule holds, and what several devices together keep to."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bookings.opening import DayHours
from bookings.rulebook.book import Rulebook
from bookings.rulebook.errors import RuleInvalidError
from bookings.rulebook.schemas import RuleSettings, read_settings
from bookings.rulebook.sense import require_sense
from bookings.rules import Quota, Rules, joined
from bookings.slots import Buffers
from lab.core.settings import Settings

DEFAULTS = Rules.from_settings(Settings())
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass
class Device:
    id: str
    kind: str = "cnc-mill"
    setup_minutes: int = 10
    cleanup_minutes: int = 5


MILL, OTHER_MILL, METER, ARM = Device("mill-1"), Device("mill-2"), Device("meter-1", "meter"), Device("arm-1", "robot")


def book(**entries: dict[str, Any]) -> Rulebook:
    """By name: `lab`, else a class (`cnc_mill`), else a device (`mill_1`)."""
    kinds = {device.kind for device in (MILL, METER, ARM)}
    read = {}
    for written, rules in entries.items():
        name = written.replace("_", "-")
        scope = "lab" if name == "lab" else "class" if name in kinds else "device"
        read[scope, "" if scope == "lab" else name] = RuleSettings(**rules)
    return Rulebook(DEFAULTS, read, {device.id: device.kind for device in (MILL, METER, ARM)})


def test_where_nothing_is_set_the_settings_of_the_installation_hold() -> None:
    empty = book()
    assert empty.rules_of("mill-1", "cnc-mill") is empty.joint([MILL, METER]) is DEFAULTS
    assert empty.buffers(MILL) == Buffers(10 * MINUTE, 5 * MINUTE)
    assert (empty.has_quotas, empty.has_check_ins) == (False, False)


def test_the_narrower_wins_field_by_field() -> None:
    rulebook = book(
        lab={"lead_minutes": 60, "longest_minutes": 600, "approval": True, "holidays": "PL"},
        cnc_mill={"longest_minutes": 300, "approval": False, "opening_hours": {"mon": "06:00-22:00"}},
        mill_1={"longest_minutes": 120, "setup_minutes": 0},
    )
    own, sibling, foreign = (rulebook.rules_of(device.id, device.kind) for device in (MILL, OTHER_MILL, METER))
    assert (own.longest, sibling.longest, foreign.longest) == (2 * HOUR, 5 * HOUR, 10 * HOUR)
    assert (own.lead, own.approval, foreign.approval) == (HOUR, False, True)
    assert own.calendars == sibling.calendars != foreign.calendars
    assert own.calendars[0].holidays == "PL"  # of the lab, though the hours are the class's own
    assert own.calendars[0].days[0] == (DayHours(6 * HOUR, 22 * HOUR),)
    assert rulebook.buffers(MILL) == Buffers(timedelta(0), 5 * MINUTE)
    assert rulebook.buffers(OTHER_MILL) == Buffers(10 * MINUTE, 5 * MINUTE)


def test_nothing_set_is_something_else_than_nothing_allowed() -> None:
    rulebook = book(
        lab={"qualifications": ["milling"], "needs_devices": ["meter-1"], "holidays": "PL", "lead_minutes": 60},
        mill_1={"qualifications": [], "needs_devices": [], "holidays": "", "lead_minutes": 0},
    )
    own = rulebook.rules_of("mill-1", "cnc-mill")
    assert (own.qualifications, own.needs, own.calendars[0].holidays, own.lead) == (set(), set(), "", timedelta(0))
    assert rulebook.rules_of("mill-2", "cnc-mill").needs == {"meter-1"}


def test_quotas_add_up_instead() -> None:
    rulebook = book(lab={"week_quota_minutes": 600}, cnc_mill={"most_open": 3}, mill_1={"week_quota_minutes": 60})
    quotas = rulebook.rules_of("mill-1", "cnc-mill").quotas
    assert quotas == (
        Quota("lab", "", week=10 * HOUR),
        Quota("class", "cnc-mill", open=3),
        Quota("device", "mill-1", week=HOUR),
    )
    assert rulebook.has_quotas
    assert not book(lab={"lead_minutes": 60}).has_quotas
    # The lab's and the class's are kept once by a booking of two mills, the device's by whoever holds it.
    assert rulebook.joint([MILL, OTHER_MILL]).quotas == quotas
    assert rulebook.joint([OTHER_MILL, METER]).quotas == quotas[:2]


def test_days_of_ones_own_are_read_with_the_hours() -> None:
    rulebook = book(
        lab={
            "closed_days": [{"day": "2026-12-28", "name": "Stock-taking"}],
            "special_days": {"2027-05-03": "09:00-12:00,13:00-15:00"},
        }
    )
    (calendar,) = rulebook.rules_of("mill-1", "cnc-mill").calendars
    assert calendar.closed == ((date(2026, 12, 28), "Stock-taking"),)
    assert calendar.hours_of(date(2027, 5, 3)) == (DayHours(9 * HOUR, 12 * HOUR), DayHours(13 * HOUR, 15 * HOUR))


def test_several_devices_keep_to_the_strictest_of_their_rules() -> None:
    rulebook = book(
        mill_1={"lead_minutes": 60, "shortest_minutes": 30, "longest_minutes": 300, "granularity_minutes": 20},
        meter_1={"horizon_days": 30, "shortest_minutes": 60, "longest_minutes": 400, "granularity_minutes": 30},
        arm_1={"approval": True, "supervision": True, "qualifications": ["arms"], "check_in_minutes": 15},
    )
    together = rulebook.joint([ARM, METER, MILL])
    assert (together.lead, together.horizon) == (HOUR, timedelta(days=30))
    assert (together.shortest, together.longest) == (HOUR, 5 * HOUR)
    assert together.granularity == HOUR  # steps of 20 and of 30 minutes meet on the hour
    assert (together.approval, together.supervision, together.qualifications) == (True, True, {"arms"})
    assert together.check_in == 15 * MINUTE
    assert rulebook.has_check_ins


def test_of_two_calendars_both_must_be_open() -> None:
    rulebook = book(mill_1={"opening_hours": {"mon": "06:00-12:00"}}, meter_1={"opening_hours": {"mon": "10:00-20:00"}})
    together = rulebook.joint([METER, MILL])
    monday, sunday = date(2026, 11, 23), date(2026, 11, 29)
    mornings = [calendar.openings(monday, sunday) for calendar in together.calendars]
    assert [len(found) for found in mornings] == [1, 1]
    (both,) = together.openings(mornings[0][0])
    assert (both.start, both.end) == (mornings[0][0].start, mornings[1][0].end)


def test_what_a_needed_device_needs_is_needed_as_well_and_circles_end() -> None:
    rulebook = book(
        mill_1={"needs_devices": ["meter-1"]}, meter={"needs_devices": ["arm-1"]}, arm_1={"needs_devices": ["mill-1"]}
    )
    for devices in ([MILL], [METER], [ARM], [MILL, ARM]):
        assert rulebook.joint(devices).needs | {device.id for device in devices} == {"mill-1", "meter-1", "arm-1"}
        assert rulebook.joint(devices).gone == set()


def test_needs_are_followed_however_long_the_chain_is() -> None:
    chain = [f"probe-{number}" for number in range(6)]
    entries = {("device", one): RuleSettings(needs_devices=[other]) for one, other in pairwise(chain)}
    rulebook = Rulebook(DEFAULTS, entries, dict.fromkeys(chain, "probe"))
    assert rulebook.joint([Device("probe-0", "probe")]).needs == set(chain[1:])


@pytest.mark.parametrize(
    ("given_settings", "rule"),
    [
        ({"granularity_minutes": 120, "longest_minutes": 60}, "granularity-fits"),
        ({"granularity_minutes": 30, "shortest_minutes": 50, "longest_minutes": 55}, "granularity-fits"),
        ({"shortest_minutes": 61, "longest_minutes": 60}, "shortest-up-to-longest"),
        ({"lead_minutes": 1440, "horizon_days": 1}, "lead-within-horizon"),
    ],
)
def test_rules_that_leave_nothing_to_book_make_no_sense(given_settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(RuleInvalidError) as error:
        require_sense([MILL], book(), book(cnc_mill=given_settings))
    assert error.value.facts["rule"] == rule


def test_rules_that_leave_just_one_length_make_sense() -> None:
    for lengths in (
        {"granularity_minutes": 60, "longest_minutes": 60},
        {"granularity_minutes": 30, "shortest_minutes": 50, "longest_minutes": 60},
        {"shortest_minutes": 60, "longest_minutes": 60},
    ):
        require_sense([MILL], book(), book(cnc_mill=lengths))


def test_a_needed_device_that_has_left_the_lab_is_told() -> None:
    entries = {("device", "mill-1"): RuleSettings(needs_devices=["meter-1", "arm-1"])}
    rulebook = Rulebook(DEFAULTS, entries, {"arm-1": "robot"})
    assert rulebook.joint([MILL]).gone == {"meter-1"}


def test_sense_is_judged_with_all_devices_that_one_needs() -> None:
    before = book(mill_1={"needs_devices": ["meter-1"]})
    after = book(mill_1={"needs_devices": ["meter-1"], "shortest_minutes": 120}, meter={"longest_minutes": 60})
    with pytest.raises(RuleInvalidError) as error:
        require_sense([METER, MILL], before, after)
    assert (error.value.facts["rule"], error.value.facts["device_id"]) == ("shortest-up-to-longest", "mill-1")
    require_sense([METER], before, after)
    require_sense(
        [METER, MILL], after, after
    )  # what is wrong already does not keep anybody from mending something else


SETTINGS = st.builds(
    RuleSettings,
    opening_hours=st.none() | st.just({"mon": "07:00-12:00,13:00-19:00", "sun": "00:00-24:00"}),
    holidays=st.sampled_from([None, "", "PL", "PL-24"]),
    closed_days=st.none() | st.just([{"day": "2026-12-28", "name": "Święto ♥"}]),
    special_days=st.none() | st.just({date(2027, 5, 3): "09:00-12:00"}),
    lead_minutes=st.none() | st.integers(0, 1440),
    longest_minutes=st.none() | st.integers(1, 1440),
    supervision=st.none() | st.booleans(),
    qualifications=st.none() | st.lists(st.sampled_from(["milling", "laser"]), max_size=20),
    most_open=st.none() | st.integers(1, 9),
)


@given(SETTINGS)
def test_what_is_stored_reads_back_as_it_was(given_settings: RuleSettings) -> None:
    assert read_settings(given_settings.given()) == given_settings


@settings(deadline=None)
@given(st.lists(SETTINGS, min_size=1, max_size=4))
def test_no_device_of_several_is_booked_more_freely_than_alone(several: list[RuleSettings]) -> None:
    devices = [Device(f"mill-{number}") for number in range(len(several))]
    rulebook = Rulebook(DEFAULTS, {("device", device.id): one for device, one in zip(devices, several, strict=True)})
    together = rulebook.joint(devices)
    for device in devices:
        alone = rulebook.rules_of(device.id, device.kind)
        assert joined([together, alone]) == together


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("opening_hours", {"mon": "7-19"}),
        ("holidays", "PL-"),
        ("holidays", "date"),
        ("holidays", "__doc__"),
        ("special_days", {"2026-12-24": ""}),
        ("closed_days", [{"day": "2026-12-24", "name": "\x00"}]),
        ("longest_minutes", 0),
        ("most_concurrent", 0),
        ("needs_devices", ["mill-1"] * 20),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as error:
        RuleSettings.model_validate({field: value})
    assert error.value.errors()[0]["loc"][0] == field
