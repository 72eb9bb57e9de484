"""A plan of analysis in words for people."""

from lab.pilots.plans import AnalysisPlan
from lab.web.languages import gettext as _

_BY_CHANCE = frozenset({"completely_randomised", "blocked", "crossover", "factorial"})


def design_text(plan: AnalysisPlan, *, with_seed: bool = False) -> str:
    """How it is tried, in a line; with the seed of the random order for who makes the runs."""
    line = _design_text(plan)
    if not with_seed or plan.design not in _BY_CHANCE:
        return line
    return _("%(line)s (seed %(seed)s)", line=line, seed=plan.seed)


def _design_text(plan: AnalysisPlan) -> str:
    runs, blocks = _("%(runs)s runs of each way of working", runs=plan.runs_per_arm), len(plan.blocks or ())
    match plan.design:
        case "completely_randomised":
            return _("%(runs)s, in random order", runs=runs)
        case "blocked":
            return _(
                "%(runs)s, spread evenly over %(blocks)s blocks, in random order within each",
                runs=runs,
                blocks=blocks,
            )
        case "abab":
            return _("%(runs)s, taking turns", runs=runs)
        case "abba":
            return _("%(runs)s, taking turns as today, new, new, today", runs=runs)
        case "crossover":
            return _("%(subjects)s subjects that try both, half of them the new way first", subjects=blocks)
        case "factorial":
            others = ", ".join(one.label for one in plan.factors)
            return _("%(runs)s, in random order, while these vary too: %(others)s", runs=runs, others=others)
        case "before_after" if len(plan.arms) > 2:
            line = _("%(runs)s, first all as before, then all as after", runs=runs)
            return _("%(line)s, beside a control that is not changed", line=line)
        case "before_after":
            return _("%(runs)s, first all as before, then all as after", runs=runs)
        case "as_recorded":
            return _("runs that were made earlier, in the order in which they were recorded")
