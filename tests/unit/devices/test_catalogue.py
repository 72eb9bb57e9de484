"""The catalogue of devices: what is right is read, every fault is named with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.catalogue import DEFAULT_CATALOGUE, RECORDING_CATALOGUE, load_catalogue, parse_catalogue
from devices.errors import CatalogueError
from devices.units import SYMBOLS, explain_unknown_unit, is_known_unit, unit_symbol


def device(**changes: Any) -> dict[str, Any]:
    signal = {"name": "power_kw", "label": "Power", "unit": "kW", "range": [0, 5]}
    entry = {"id": "mill-1", "name": "Mill", "kind": "cnc-mill", "price_eur_per_hour": 85.5, "signals": [signal]}
    return {**entry, **changes}


def signal(**changes: Any) -> dict[str, Any]:
    return device(signals=[{"name": "power_kw", "label": "Power", "unit": "kW", **changes}])


def faults_of(*devices: dict[str, Any]) -> list[dict[str, str]]:
    with pytest.raises(CatalogueError) as refusal:
        parse_catalogue(yaml.safe_dump({"devices": list(devices)}))
    faults: list[dict[str, str]] = refusal.value.facts["faults"]
    assert all(fault["place"] in refusal.value.message for fault in faults)
    return faults


def test_a_new_lab_starts_with_five_devices_that_say_what_they_measure() -> None:
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    assert [entry.id for entry in catalogue.devices] == ["mill-1", "robot-1", "conveyor-1", "printer-1", "meter-1"]
    for entry in catalogue.devices:
        assert entry.capabilities
        assert entry.price_cents_per_hour > 0
        assert all(one.expected_interval_ms for one in entry.signals)
    mill = catalogue.devices[0]
    power = next(one for one in mill.signals if one.name == "spindle_power_kw")
    assert (power.unit, power.range, power.uncertainty) == ("kW", (0, 7.5), 0.02)
    assert power.calibration_due is not None


def test_the_recording_has_a_catalogue_of_its_own() -> None:
    (mill,) = load_catalogue(RECORDING_CATALOGUE).devices
    assert mill.id == "mill-umich"
    assert {"x_power_kw", "y_power_kw", "spindle_power_kw", "feed_mm_s", "machining_process"} <= {
        one.name for one in mill.signals
    }


@pytest.mark.parametrize(
    ("euros", "cents"), [(0, 0), (85, 8500), (85.5, 8550), (0.1, 10), (19.99, 1999), ("70.10", 7010)]
)
def test_prices_are_exact(euros: Any, cents: int) -> None:
    catalogue = parse_catalogue(yaml.safe_dump({"devices": [device(price_eur_per_hour=euros)]}))
    assert catalogue.devices[0].price_cents_per_hour == cents


def test_every_fault_is_listed_with_its_place() -> None:
    faults = faults_of(
        device(id="Mill 1", price_eur_per_hour=-1), signal(unit="kw"), device(id="robot-1", colour="red")
    )
    assert [fault["place"] for fault in faults] == [
        "devices[0] (Mill 1).id",
        "devices[0] (Mill 1).price_eur_per_hour",
        "devices[1] (mill-1).signals[0] (power_kw).unit",
        "devices[2] (robot-1).colour",
    ]
    assert faults[2]["message"] == "'kw' is no UCUM code known here; did you mean kW?"


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (device(id="../etc"), "id"),
        (device(id="a/b"), "id"),
        (device(id="a+"), "id"),
        (device(id="x" * 41), "id"),
        (device(name=""), "name"),
        (device(price_eur_per_hour=1.234), "price_eur_per_hour"),
        (device(price_eur_per_hour=float("nan")), "price_eur_per_hour"),
        (device(setup_minutes=-1), "setup_minutes"),
        (device(setup_minutes=1.5), "setup_minutes"),
        (device(signals=[]), "signals"),
        (device(signals=[{"name": "a", "label": "A", "unit": "kW"}] * 2), "signals"),
        (signal(unit=None), "signals[0] (power_kw)"),
        (signal(range=[5, 0]), "signals[0] (power_kw).range"),
        (signal(range=[0, float("inf")]), "signals[0] (power_kw).range[1]"),
        (signal(type="boolean"), "signals[0] (power_kw)"),
        (signal(type="enumeration", unit=None), "signals[0] (power_kw)"),
        (signal(choices=["a"]), "signals[0] (power_kw)"),
        (signal(type="enumeration", unit=None, choices=["a", "a"]), "signals[0] (power_kw).choices"),
        (signal(expected_interval_ms=0), "signals[0] (power_kw).expected_interval_ms"),
        (signal(uncertainty=-1), "signals[0] (power_kw).uncertainty"),
        (signal(calibration_due="soon"), "signals[0] (power_kw).calibration_due"),
        (signal(name="Power kW"), "signals[0] (Power kW).name"),
    ],
)
def test_each_field_is_checked(wrong: dict[str, Any], place: str) -> None:
    (fault,) = faults_of(wrong)
    assert fault["place"].endswith(place)


@pytest.mark.parametrize("name", ["pilotlab", "recorder"])
def test_a_device_cannot_take_the_products_own_name_at_the_broker(name: str) -> None:
    (fault,) = faults_of(device(id=name))
    assert "choose another name" in fault["message"]


def test_a_device_twice_is_a_fault() -> None:
    (fault,) = faults_of(device(), device())
    assert fault == {"place": "devices", "message": "two entries for the device mill-1"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "devices:",
        "[]",
        "devices: {a: 1}",
        "devices: [1]",
        "x: [",
        "devices: []\ndevices: []",
        "a: !!python/object:x.y {}",
        "\x00",
    ],
)
def test_what_is_no_catalogue_is_refused_in_words(text: str) -> None:
    with pytest.raises(CatalogueError):
        parse_catalogue(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"none\.yaml cannot be read"):
        load_catalogue(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="not UTF-8"):
        load_catalogue(tmp_path / "binary.yaml")


@pytest.mark.parametrize("code", ["kW", "kW.h", "mm/s", "Cel", "1", "%", "um", "/min", "[g]"])
def test_units_of_the_field_are_known(code: str) -> None:
    assert is_known_unit(code)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("kWh", "kW.h"), ("rpm", "/min"), ("°C", "Cel"), ("µm", "um"), ("KW", "kW"), ("mm/S", "mm/s")]
)
def test_a_unit_that_is_often_mistaken_gets_the_right_one(wrong: str, meant: str) -> None:
    assert explain_unknown_unit(wrong).endswith(f"did you mean {meant}?")


def test_a_unit_that_is_like_no_other_gets_the_whole_list() -> None:
    assert all(code in explain_unknown_unit("furlong") for code in SYMBOLS)


def test_units_are_shown_as_people_write_them() -> None:
    assert (unit_symbol("kW.h"), unit_symbol("Cel"), unit_symbol("1"), unit_symbol(None)) == ("kWh", "°C", "", "")
