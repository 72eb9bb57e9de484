"""Sentences on the steadiness of a process."""

from lab.reports.numbers import format_quantity
from lab.reports.results import KpiResult
from lab.reports.words import Words
from lab.reports.writing import decimals_of_kpi


def energy_sentence(kpi: KpiResult, words: Words) -> str:
    """What the treatment's runs took against the baseline's model."""
    found = kpi.energy
    assert found is not None
    places = decimals_of_kpi(kpi)
    saving, actual = round(found.saving, places), round(found.actual, places)
    key = "energy_saved" if found.saving >= 0 else "energy_lost"
    treatment = next(arm for arm in kpi.arms if arm.role == "treatment")
    return words.say(
        key,
        arm=treatment.label,
        n=treatment.n,
        model=format_quantity(found.model, kpi.unit, decimals=places),
        expected=format_quantity(actual + saving, kpi.unit, decimals=places),  # so that what is printed adds up
        actual=format_quantity(actual, kpi.unit, decimals=places),
        saving=format_quantity(abs(saving), kpi.unit, decimals=places),
    )
