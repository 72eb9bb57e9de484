"""What is proposed for a heard signal, what a form makes of it, and words for every reason of a dead letter."""

import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

from lab.web import languages
from lab.web.adoption_forms import device_id_of, propose, proposed_unit, read_device, read_signal, signal_name
from lab.web.heard_words import heard_examples, heard_range, heard_rate
from lab.web.letter_words import LETTER_REASONS, readable
from telemetry.models import HeardSignal

ROOT = Path(__file__).parents[3]


def heard(name: str = "CoolantTemp", **more: object) -> HeardSignal:
    facts = {"kinds": {"number": 9}, "low": 20.0, "high": 69.5, "examples": ["20.0"], "count": 9}
    facts |= {"unit_said": None, "interval_ms": 100.0, "origin": "json"}
    return HeardSignal(device_id="mill-1", name=name, **{**facts, **more})


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("CoolantTemp", "coolant_temp"),
        ("spindle_power_kw", "spindle_power_kw"),
        ("Axis1/Load [%]", "axis1_load"),
        ("OEEValue", "oee_value"),
        ("3phase", "signal_3phase"),
        ("ciśnienie", "ci_nienie"),
        ("???", "signal"),
        ("x" * 150, "x" * 100),
    ],
)
def test_a_name_is_proposed_that_the_catalogue_takes(said: str, name: str) -> None:
    assert signal_name(said) == name
    assert read_signal({"name": name, "label": "L", "type": "text"}).name == name


@pytest.mark.parametrize(
    ("said", "name", "unit"),
    [("°C", "x", "Cel"), ("kW", "x", "kW"), (None, "spindle_power_kw", "kW"), ("furlong", "x", ""), (None, "x", "")],
)
def test_a_unit_is_proposed_from_what_is_said_else_from_the_name(said: str | None, name: str, unit: str) -> None:
    assert proposed_unit(said, name) == unit


def test_a_proposal_mostly_needs_no_change() -> None:
    number = propose(heard("feed_mm_s"))
    assert (number.name, number.label, number.type, number.unit) == ("feed_mm_s", "Feed", "number", "mm/s")
    text = propose(heard("Program", kinds={"text": 3}, examples=["P17", "P18"]))
    assert (text.type, text.unit, text.choices) == ("text", "", "P17, P18")


def test_what_is_typed_becomes_an_entry_or_names_the_field_that_cannot_be_so() -> None:
    typed = {"name": "load", "label": "Load", "type": "number", "unit": "%", "low": "0", "high": "99,5"}
    entry = read_signal(typed, interval_ms=100.04)
    assert (entry.range, entry.expected_interval_ms) == ((0.0, 99.5), 100.0)
    for wrong in ({"name": "Load"}, {"unit": "furlong"}, {"low": "9", "high": "1"}, {"high": ""}, {"type": "colour"}):
        with pytest.raises(ValidationError):
            read_signal({**typed, **wrong})
    words = read_signal(
        {"name": "mode", "label": "Mode", "type": "enumeration", "choices": "auto, manual,", "unit": "%"}
    )
    assert (words.choices, words.unit) == (["auto", "manual"], None)


def test_a_device_takes_the_signals_that_are_ticked_under_their_new_names() -> None:
    rows = [heard("torque_nm"), heard("CoolantTemp"), heard("noise")]
    typed = {"id": "press-9", "device_name": "Press", "kind": "press", "price_eur_per_hour": "30,50"}
    for place, (name, unit) in enumerate((("torque_nm", "N.m"), ("coolant_cel", "Cel"))):
        typed |= {f"take_{place}": "yes", f"name_{place}": name, f"label_{place}": name, f"unit_{place}": unit}
    entry, names = read_device(typed, "press-9", rows)
    assert [signal.name for signal in entry.signals] == ["torque_nm", "coolant_cel"]
    assert (names, entry.price_cents_per_hour, entry.addresses) == ({"CoolantTemp": "coolant_cel"}, 3050, [])
    other, _ = read_device({**typed, "id": "node-2"}, "sparkplug:group/Node 2", rows)
    assert other.addresses == ["sparkplug:group/Node 2"]
    with pytest.raises(ValidationError):
        read_device({**typed, "take_0": "", "take_1": ""}, "press-9", rows)


def test_a_short_name_is_proposed_where_one_is_possible() -> None:
    assert device_id_of("press-9") == "press-9"
    assert device_id_of("Press_9") == ""
    assert device_id_of("sparkplug:group/Node 2") == "node-2"
    assert device_id_of("sparkplug:group/node/7 axis") == "device-7-axis"


def test_what_was_heard_reads_well() -> None:
    assert heard_range(heard()) == "20 to 69.5"
    assert heard_rate(heard()) == "10 a second"
    assert heard_rate(heard(interval_ms=5000.0)) == "every 5 s"
    assert heard_rate(heard(interval_ms=None)) == "9 so far"
    assert readable("a\0b\tc") == "a\u2400b\tc"


def test_examples_of_values_read_as_people_write_them() -> None:
    numbers = heard(examples=["18.4", "-3e-05", "7"])
    truths = heard(kinds={"boolean": 2}, examples=["True", "False"])
    texts = heard(kinds={"text": 2}, examples=["18.4", "True"])
    assert heard_examples(numbers, 2) == "18.4, -3e-05"
    assert heard_examples(truths) == "yes, no"
    assert heard_examples(texts) == "18.4, True", "what a machine says in words stays"
    token = languages._language.set("pl")
    try:
        assert heard_examples(numbers) == "18,4; -3e-05; 7"
        assert heard_examples(truths) == "tak, nie"
    finally:
        languages._language.reset(token)


def test_every_reason_of_a_dead_letter_has_words() -> None:
    said = set()
    for place in ("telemetry", "devices/messages"):
        for file in (ROOT / place).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                    first = node.args[0]
                    if node.func.id in {"Fault", "MessageError"} and isinstance(first, ast.Constant):
                        said.add(first.value)
    assert {"unknown-signal", "not-json"} <= said
    assert said - set(LETTER_REASONS) == set()
