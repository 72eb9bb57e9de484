"""The annex with the whole analysis plan as locked, for whoever wants to check what it fixed before the first run."""

from lab.pilots.plans import AnalysisPlan, Kpi
from lab.pilots.units import unit_label
from lab.reports.blocks import Block, Fact, Facts, Heading, Paragraph, Section
from lab.reports.kpi_words import criterion_text, definition_text
from lab.reports.language import say
from lab.reports.methods import DESIGNS
from lab.reports.plan_changes import told_facts, written_direction, written_span
from lab.reports.results import Results
from lab.reports.words import Words
from lab.reports.writing import write_value


def annex_plan(results: Results, words: Words) -> Section:
    """Layout of the runs, every KPI, and everything else that the plan fixed; the results have the document."""
    locked = results.plan
    plan = locked.document
    assert plan is not None
    blocks: list[Block] = [
        Paragraph(words.say("plan_intro", version=locked.version)),
        Facts((Fact(words["plan_hash"], locked.sha256, code=True), *_layout(plan, words))),
    ]
    for kpi in plan.kpis:
        blocks += [
            Heading(words.say("kpi_heading", label=kpi.label, role=words[f"role_{kpi.role}"])),
            _of_kpi(plan, kpi, words),
        ]
    rules = tuple(Fact(f"{what[:1].upper()}{what[1:]}", text) for what, text in told_facts(plan))
    return Section("annex-plan", words["annex_plan"], (*blocks, Heading(words["plan_rules"]), Facts(rules)))


def _layout(plan: AnalysisPlan, words: Words) -> list[Fact]:
    facts = [Fact(words["design"], say(DESIGNS[plan.design]))]
    if plan.runs_per_arm is not None:
        facts.append(Fact(words["plan_runs"], str(plan.runs_per_arm)))
    if plan.order is not None:
        facts.append(Fact(words["plan_order"], ", ".join(plan.order)))
    if plan.blocks:
        facts.append(Fact(words["plan_blocks"], ", ".join(plan.blocks)))
    for factor in plan.factors:
        levels = " / ".join(write_value(level, words) for level in (factor.low, factor.high))
        facts.append(Fact(words["plan_factor"], f"{factor.label} ({factor.name}): {levels}"))
    if plan.generators is not None:
        facts.append(Fact(words["plan_generators"], plan.generators))
    return [*facts, Fact(words["seed"], str(plan.seed))]


def _of_kpi(plan: AnalysisPlan, kpi: Kpi, words: Words) -> Facts:
    facts = [
        Fact(words["definition"], definition_text(plan, kpi)),
        Fact(words["plan_unit"], kpi.unit),
        Fact(words["plan_better"], written_direction(kpi)),
        Fact(words["criterion"], criterion_text(plan, kpi)),
    ]
    if kpi.tolerance is not None:
        span = written_span(kpi.tolerance.low, kpi.tolerance.high, unit_label(kpi.unit))
        facts.append(Fact(words["plan_tolerance"], span))
    return Facts(tuple(facts))
