"""A plan of analysis in words for people."""

from lab.pilots.plans import AnalysisPlan
from lab.web.languages import gettext as _


def design_text(plan: AnalysisPlan) -> str:
    """How it is tried, in a line."""
    runs, blocks = _("%(runs)s runs of each way of working", runs=plan.runs_per_arm), len(plan.blocks or ())
    match plan.design:
        case "completely_randomised":
            return _("%(runs)s, in random order (seed %(seed)s)", runs=runs, seed=plan.seed)
        case "blocked":
            return _(
                "%(runs)s, spread evenly over %(blocks)s blocks, in random order within each (seed %(seed)s)",
                runs=runs, blocks=blocks, seed=plan.seed,
            )  # fmt: skip
        case "abab":
            return _("%(runs)s, taking turns", runs=runs)
        case "abba":
            return _("%(runs)s, taking turns as today, new, new, today", runs=runs)
        case "crossover":
            return _(
                "%(subjects)s subjects that try both, half of them the new way first (seed %(seed)s)",
                subjects=blocks, seed=plan.seed,
            )  # fmt: skip
        case "factorial":
            others = ", ".join(one.label for one in plan.factors)
            return _(
                "%(runs)s, in random order (seed %(seed)s), while these vary too: %(others)s",
                runs=runs, seed=plan.seed, others=others,
            )  # fmt: skip
        case "before_after" if len(plan.arms) > 2:
            line = _("%(runs)s, first all as before, then all as after", runs=runs)
            return _("%(line)s, beside a control that is not changed", line=line)
        case "before_after":
            return _("%(runs)s, first all as before, then all as after", runs=runs)
        case "as_recorded":
            return _("runs that were made earlier, in the order in which they were recorded")
