"""What the report says of its methods: the design in a few words, each statistical method in a sentence."""

from lab.pilots.plans import AnalysisPlan, Design
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.numbers import format_number

DESIGNS: dict[Design, str] = {
    "completely_randomised": N_("Completely randomised"),
    "blocked": N_("Randomised complete blocks"),
    "abab": N_("Alternating (ABAB)"),
    "abba": N_("Alternating (ABBA)"),
    "crossover": N_("Crossover of two periods"),
    "factorial": N_("Two-level factorial, randomised"),
    "before_after": N_("Before and after"),
    "as_recorded": N_("As recorded: the runs were made earlier, in an order that was not randomised"),
}


def describe_statistics(plan: AnalysisPlan) -> tuple[str, ...]:
    """One sentence for each method used, with its library."""
    level = format_number(100 * (1 - plan.alpha))
    sentences = [
        _("Each run is reduced to one number per KPI; runs are compared, never samples."),
        *_compared(plan, level),
    ]
    if any(kpi.kind == "proportion" for kpi in plan.kpis):
        sentences.append(
            _("Shares: Newcombe's hybrid score {level} % interval of the difference (statsmodels).", level=level)
        )
    if any(kpi.role == "guard" for kpi in plan.kpis):
        sentences.append(
            _(
                "A guard is met if the whole {level} % interval of the change for the worse lies below its margin; for "
                "numbers that is one side of TOST at {half} % (statsmodels).",
                level=level,
                half=format_number(100 * plan.alpha / 2),
            )
        )
    if sum(kpi.role == "secondary" for kpi in plan.kpis) > 1:
        sentences.append(_("The p values of secondary KPIs are adjusted by Holm (statsmodels)."))
    sentences.append(
        _(
            "Looked at, and changing no number: spread of the arms (Brown–Forsythe), shape (Shapiro–Wilk), drift "
            "(Kendall), likeness of neighbours, outliers (Iglewicz–Hoaglin), changes of level (PELT, ruptures)."
        )
    )
    return tuple(sentences)


def _compared(plan: AnalysisPlan, level: str) -> list[str]:
    adjusted = {
        "blocked": N_("blocks"),
        "abab": N_("a steady drift"),
        "abba": N_("blocks of four and a steady drift"),
        "crossover": N_("subjects and periods"),
        "factorial": N_("the other factors"),
    }
    if plan.design in adjusted:
        return [
            _(
                "Effect by least squares that allow for {nuisances}, with Student's {level} % interval (numpy, scipy).",
                nuisances=_(adjusted[plan.design]),
                level=level,
            ),
            _(
                "Hodges–Lehmann shift within blocks, where there are blocks; a permutation test within blocks, where "
                "chance dealt the arms in them."
            ),
            _("Standardised effect: Hedges' g by the spread that is left."),
        ]
    if any(arm.role == "control_before" for arm in plan.arms):
        return [
            _("Change less the control's change, with Welch's {level} % interval for four groups (scipy).", level=level)
        ]
    return [
        _(
            "Difference of means with Welch's {level} % interval, allowing for unequal spread (statsmodels).",
            level=level,
        ),
        _("Hodges–Lehmann shift with its distribution-free interval, and a permutation test of the means (numpy)."),
        _("Standardised effect: Hedges' g (statsmodels)."),
    ]
