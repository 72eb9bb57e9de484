"""What a device must be able to do: read as people write it, met or refused with what there is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bookings.search.capabilities import ranges_of, read_capabilities, require_devices
from bookings.search.errors import CapabilityUnknownError, CapabilityUnmetError, RequirementUnreadableError
from bookings.search.requirements import LONGEST_REQUIREMENT, Condition, Requirement, read_requirement

ENTRIES: dict[str, list[dict[str, Any]]] = {
    "mill-1": [
        {"name": "milling", "axes": 3, "travel_x_mm": 500, "travel_y_mm": 400, "travel_z_mm": 350, "material": "steel"},
        {"name": "condition-monitoring"},
    ],
    "mill-2": [
        {"name": "Milling", "axes": 5, "travel_x_mm": 900, "travel_y_mm": 700, "travel_z_mm": 600, "coolant": True}
    ],
    "lathe-1": [{"name": "turning", "diameter_mm": 200}, {"name": "milling", "axes": 2, "travel_mm": 450}],
    "meter-1": [{"name": "Energy metering", "class": "0.5S", "phases": 3}],
}
KNOWN = read_capabilities(ENTRIES)


def devices(text: str, count: int = 1) -> list[str]:
    return require_devices(read_requirement(text), KNOWN, count=count)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("milling", ["lathe-1", "mill-1", "mill-2"]),
        (" MILLING ( ) ", ["lathe-1", "mill-1", "mill-2"]),
        ("milling(axes>=3)", ["mill-1", "mill-2"]),
        ("milling(axes=3)", ["mill-1"]),
        ("milling(axes == 5.0)", ["mill-2"]),
        ("milling(axes>3, axes<=5)", ["mill-2"]),
        ("milling(axes<3)", ["lathe-1"]),
        ("milling(travel_x_mm >= 500 mm)", ["mill-1", "mill-2"]),
        ("milling(material=Steel)", ["mill-1"]),
        ('milling(material="steel")', ["mill-1"]),
        ("milling(coolant)", ["mill-2"]),
        ("milling(coolant=yes)", ["mill-2"]),
        ("energy metering", ["meter-1"]),
        ("Energy_Metering(class=0.5s)", ["meter-1"]),
        ("energy-metering(phases≥3)", ["meter-1"]),
        ("condition monitoring", ["mill-1"]),
    ],
)
def test_devices_are_found_by_what_they_can_do(text: str, found: list[str]) -> None:
    assert devices(text) == found


def test_an_attribute_without_axis_letter_must_do_on_one_axis() -> None:
    assert devices("milling(travel_mm>=500)") == ["mill-1", "mill-2"]
    assert devices("milling(travel_mm>500)") == ["mill-2"]  # mill-1 travels 500 mm in X
    assert devices("milling(travel_y_mm>=400)") == ["mill-1", "mill-2"]
    assert devices("milling(travel_z_mm>=400)") == ["mill-2"]
    assert devices("milling(travel_mm<=450)") == ["lathe-1", "mill-1"]


def test_what_is_asked_of_one_capability_is_not_met_by_two_entries_together() -> None:
    known = read_capabilities(
        {"both": [{"name": "milling", "axes": 5, "size": 1}, {"name": "milling", "axes": 3, "size": 9}]}
    )
    assert require_devices(read_requirement("milling(axes=5)"), known) == ["both"]
    with pytest.raises(CapabilityUnmetError):
        require_devices(read_requirement("milling(axes=5,size=9)"), known)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("miling", "milling"),
        ("3-axis milling", "milling"),
        ("energy-meter", "energy-metering"),
        ("milling(axis>=3)", "axes"),
        ("milling(travel_x>=400)", "travel_x_mm"),
        ("milling(travel>=400)", "travel_mm"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones_near_it(text: str, near: str) -> None:
    with pytest.raises(CapabilityUnknownError) as error:
        devices(text)
    assert near in error.value.facts["nearest"]
    assert near in error.value.message
    assert (error.value.facts["field"], error.value.facts["rule"]) == ("capability", "known-capability")


def test_a_name_near_nothing_is_refused_with_all_there_is() -> None:
    with pytest.raises(CapabilityUnknownError) as error:
        devices("teleportation")
    assert error.value.facts["known"] == ["condition-monitoring", "energy-metering", "milling", "turning"]


def test_a_lab_without_devices_says_so() -> None:
    with pytest.raises(CapabilityUnknownError, match="nothing is known"):
        require_devices(read_requirement("milling"), [])


def test_what_no_device_can_do_is_refused_with_what_they_can() -> None:
    with pytest.raises(CapabilityUnmetError, match=r"mill-2 \(axes 5\)") as error:
        devices("milling(axes>=6)")
    assert error.value.facts["requirement"] == "milling(axes>=6)"
    with pytest.raises(CapabilityUnmetError, match="travel_z_mm 350"):
        devices("milling(travel_mm>=1000)")
    with pytest.raises(CapabilityUnmetError, match="only 2 meet"):
        devices("milling(axes>=3)", count=3)
    with pytest.raises(CapabilityUnmetError):
        devices("milling(axes=steel)")
    with pytest.raises(CapabilityUnmetError):
        devices("milling(coolant=false)")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "()",
        "(axes>=3)",
        "milling(axes>=3",
        "milling axes>=3)",
        "milling(axes>=3)(axes<5)",
        "milling(axes>=3) and turning",
        "milling(axes>=)",
        "milling(>=3)",
        "milling(,)",
        "milling(axes>=3,)",
        "milling(axes>=three)",
        "milling(coolant>true)",
        "milling(axes>=1e999)",
        'milling(material="steel)',
        'milling(material=st"ee"l)',
        "milling(axes=>3)",
        "milling(" + ",".join(f"a{number}=1" for number in range(21)) + ")",
        "m" * (LONGEST_REQUIREMENT + 1),
    ],
)
def test_rubbish_is_refused_by_name(text: str) -> None:
    with pytest.raises(RequirementUnreadableError) as error:
        read_requirement(text)
    assert error.value.facts["field"] == "capability"
    assert len(error.value.message) < 200


@given(st.text(max_size=60))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        found = read_requirement(text)
    except RequirementUnreadableError:
        return
    assert found.capability


names = st.from_regex(r"[a-z]{1,8}(-[a-z]{1,8})?", fullmatch=True)
texts = st.from_regex(r"[a-z][a-z ,()]{0,8}[a-z]", fullmatch=True).filter(
    lambda text: text not in {"yes", "no", "true", "false"}
)
conditions = st.builds(
    Condition,
    names.map(lambda name: name.replace("-", "_")),
    st.sampled_from([">=", "<=", "=", ">", "<"]),
    st.integers(-(10**6), 10**6).map(float) | st.floats(-1000, 1000).map(lambda value: round(value, 3)),
) | st.builds(Condition, names.map(lambda name: name.replace("-", "_")), st.just("="), st.booleans() | texts)


@given(names, st.lists(conditions, max_size=4, unique_by=str))
def test_what_is_written_out_is_read_back(name: str, given_conditions: list[Condition]) -> None:
    requirement = Requirement(name, tuple(sorted(given_conditions, key=str)))
    assert read_requirement(str(requirement)) == requirement


def test_the_ranges_tell_what_may_be_asked_for() -> None:
    milling = next(found for found in ranges_of(KNOWN) if found.name == "milling")
    assert milling.device_ids == ("lathe-1", "mill-1", "mill-2")
    ranges = {one.name: one for one in milling.attributes}
    assert (ranges["axes"].lowest, ranges["axes"].highest) == (2, 5)
    assert (ranges["travel_mm"].lowest, ranges["travel_mm"].highest) == (450, 900)
    assert ranges["material"].choices == ("steel",)
    assert ranges["coolant"].choices == ("true",)


def test_every_attribute_of_the_ranges_can_be_asked_for_in_the_lab_in_gliwice() -> None:
    path = Path(__file__).parents[3] / "devices" / "catalogues" / "gliwice.yaml"
    known = read_capabilities({one["id"]: one["capabilities"] for one in yaml.safe_load(path.read_text())["devices"]})
    for capability in ranges_of(known):
        for attribute in capability.attributes:
            asked = (
                f"{attribute.name}>={attribute.highest}"
                if attribute.highest is not None
                else f"{attribute.name}={attribute.choices[0]}"
            )
            assert require_devices(read_requirement(f"{capability.name}({asked})"), known)
