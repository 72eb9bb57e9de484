"""What the report says of its methods: the design in a few words, each statistical method in a sentence."""

from lab.pilots.plans import AnalysisPlan, Design
from lab.reports.numbers import format_number

DESIGNS: dict[Design, str] = {
    "completely_randomised": "Completely randomised",
    "blocked": "Randomised complete blocks",
    "abab": "Alternating (ABAB)",
    "abba": "Alternating (ABBA)",
    "crossover": "Crossover of two periods",
    "factorial": "Two-level factorial, randomised",
    "before_after": "Before and after",
    "as_recorded": "As recorded: the runs were made earlier, in an order that was not randomised",
}


def describe_statistics(plan: AnalysisPlan) -> tuple[str, ...]:
    """One sentence for each method used, with its library."""
    level = f"{100 * (1 - plan.alpha):g} %"
    sentences = [
        "Each run is reduced to one number per KPI; runs are compared, never samples.",
        *_compared(plan, level),
    ]
    if any(kpi.kind == "proportion" for kpi in plan.kpis):
        sentences.append(f"Shares: Newcombe's hybrid score {level} interval of the difference (statsmodels).")
    if any(kpi.role == "guard" for kpi in plan.kpis):
        sentences.append(
            f"A guard is met if the whole {level} interval of the change for the worse lies below its margin; for "
            f"numbers that is one side of TOST at {format_number(100 * plan.alpha / 2)} % (statsmodels)."
        )
    if sum(kpi.role == "secondary" for kpi in plan.kpis) > 1:
        sentences.append("The p values of secondary KPIs are adjusted by Holm (statsmodels).")
    sentences.append(
        "Looked at, and changing no number: spread of the arms (Brown–Forsythe), shape (Shapiro–Wilk), drift "
        "(Kendall), likeness of neighbours, outliers (Iglewicz–Hoaglin), changes of level (PELT, ruptures)."
    )
    return tuple(sentences)


def _compared(plan: AnalysisPlan, level: str) -> list[str]:
    adjusted = {
        "blocked": "blocks",
        "abab": "a steady drift",
        "abba": "blocks of four and a steady drift",
        "crossover": "subjects and periods",
        "factorial": "the other factors",
    }
    if plan.design in adjusted:
        return [
            f"Effect by least squares that allow for {adjusted[plan.design]}, with Student's {level} interval (numpy, "
            "scipy).",
            "Hodges–Lehmann shift within blocks, where there are blocks; a permutation test within blocks, where "
            "chance dealt the arms in them.",
            "Standardised effect: Hedges' g by the spread that is left.",
        ]
    if any(arm.role == "control_before" for arm in plan.arms):
        return [f"Change less the control's change, with Welch's {level} interval for four groups (scipy)."]
    return [
        f"Difference of means with Welch's {level} interval, allowing for unequal spread (statsmodels).",
        "Hodges–Lehmann shift with its distribution-free interval, and a permutation test of the means (numpy).",
        "Standardised effect: Hedges' g (statsmodels).",
    ]
