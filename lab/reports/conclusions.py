"""Sections 10 to 15 of a report: what follows, beside the numbers, from what people say (`issue.Statement`).

Nothing is made up: where the lab has stated nothing, the report says so.
"""

from datetime import date

from lab.reports.blocks import Block, Bullets, Column, Fact, Facts, Heading, Paragraph, Section, Table
from lab.reports.issue import Maturity, NextStep, Risk
from lab.reports.numbers import format_number
from lab.reports.results import Results
from lab.reports.words import Words
from lab.reports.writing import write_date, write_verdict

_WEIGHTS = {"low": 1, "medium": 2, "high": 3}
_GRAVE = 6
"""Of likelihood × impact, from which a risk stands before what the data say."""
DIMENSIONS = ("strategy", "readiness", "people", "data", "automation", "green")
"""Of the Digital Maturity Assessment."""


def readiness(results: Results, words: Words) -> Section:
    """Technology readiness level, before and after (ISO 16290)."""
    said = results.issue.statement.readiness
    if said is None:
        blocks: tuple[Block, ...] = (Paragraph(words["no_readiness"]),)
    else:
        levels = Facts(
            (
                Fact(words["before_pilot"], _level(said.before, words)),
                Fact(words["after_pilot"], _level(said.after, words)),
                Fact(words["because"], said.reason),
            )
        )
        blocks = (levels, Paragraph(words["readiness_note"]))
    return Section("readiness", words["section_readiness"], blocks)


def _level(level: int, words: Words) -> str:
    return words.say("readiness_level", level=level, meaning=words[f"trl_{level}"])


def risks(results: Results, words: Words) -> Section:
    """What may go wrong: what people see, then what the data show."""
    stated = sorted(results.issue.statement.risks, key=_weight, reverse=True)
    blocks: list[Block] = [Heading(words["stated_risks"])]
    if stated:
        columns = (
            Column(words["col_risk"], share=2.2),
            Column(words["col_likelihood"], share=0.8),
            Column(words["col_impact"], share=0.8),
            Column(words["col_answer"], share=2),
        )
        rows = tuple(
            (
                risk.text,
                words[f"degree_{risk.likelihood}"],
                words[f"degree_{risk.impact}"],
                risk.answer or words["not_stated"],
            )
            for risk in stated
        )
        blocks.append(Table(words["risks_table"], columns, rows, small=True))
    else:
        blocks.append(Paragraph(words["no_risks"]))
    blocks.append(Heading(words["data_risks"]))
    blocks.append(Bullets(results.risks) if results.risks else Paragraph(words["no_data_risks"]))
    return Section("risks", words["section_risks"], tuple(blocks))


def _weight(risk: Risk) -> int:
    return _WEIGHTS[risk.likelihood] * _WEIGHTS[risk.impact]


def top_risks(results: Results, words: Words) -> tuple[str, ...]:
    """All risks in one order for the decision page: grave ones that people see, what the data show, the others."""
    stated = sorted(results.issue.statement.risks, key=_weight, reverse=True)
    grave = tuple(_short_risk(risk, words) for risk in stated if _weight(risk) >= _GRAVE)
    others = tuple(_short_risk(risk, words) for risk in stated if _weight(risk) < _GRAVE)
    return (*grave, *results.risks, *others)


def _short_risk(risk: Risk, words: Words) -> str:
    likelihood, impact = words[f"degree_{risk.likelihood}"], words[f"degree_{risk.impact}"]
    return words.say("short_risk", risk=risk.text.rstrip("."), likelihood=likelihood, impact=impact)


def transfer(results: Results, words: Words) -> Section:
    """What will be different at the company's own site, and what nobody may conclude from this report."""
    return Section(
        "transfer",
        words["section_transfer"],
        (
            Heading(words["transfer"]),
            Paragraph(results.issue.statement.transfer or words["no_transfer"]),
            Heading(words["section_not_tested"]),
            Bullets(results.not_tested) if results.not_tested else Paragraph(words["no_not_tested"]),
            Paragraph(" ".join(results.statements)),
        ),
    )


def recommendation(results: Results, words: Words) -> Section:
    """The verdict, why, and what the lab adds to it."""
    blocks: list[Block] = [
        Facts((Fact(words["verdict"], write_verdict(results.verdict)), Fact(words["answer"], results.answer))),
        Heading(words["reasons"]),
        Bullets(results.verdict_reasons),
        Heading(words["economics"]),
        Bullets((results.economics.sentence, *results.economics.sentences[:2])),
    ]
    if results.further_runs is not None:
        blocks += [Heading(words["further_runs"]), Paragraph(results.further_runs.sentence)]
        if results.economics.more_runs is not None:
            blocks.append(Paragraph(results.economics.more_runs.sentence))
    blocks += [
        Heading(words["lab_adds"]),
        Paragraph(results.issue.statement.recommendation or words["no_recommendation"]),
        Paragraph(words["lab_adds_note"]),
    ]
    return Section("recommendation", words["section_recommendation"], tuple(blocks))


def next_steps(results: Results, words: Words) -> Section:
    """Who does what by when, and money that may fit."""
    said = results.issue.statement
    blocks: list[Block] = [Paragraph(results.next_step)]
    if said.next_steps:
        columns = (
            Column(words["col_step"], share=2.4),
            Column(words["col_owner"], share=1.2),
            Column(words["col_due"]),
        )
        rows = tuple((step.text, step.owner, _due(step.due, words)) for step in said.next_steps)
        blocks.append(Table(words["next_steps"], columns, rows))
    else:
        blocks.append(Paragraph(words["no_next_steps"]))
    blocks.append(Heading(words["funding"]))
    blocks.append(Bullets(said.funding) if said.funding else Paragraph(words["no_funding"]))
    return Section("next-steps", words["section_next_steps"], tuple(blocks))


def first_step(results: Results, words: Words) -> str:
    """The first thing to be done, with owner and date, for the decision page."""
    steps = results.issue.statement.next_steps
    return words["no_next_steps"] if not steps else _written_step(steps[0], words)


def _written_step(step: NextStep, words: Words) -> str:
    key = "step_undated" if step.due is None else "step_dated"
    text = step.text if step.text.endswith((".", "!", "?")) else f"{step.text}."
    return words.say(key, step=text, owner=step.owner, due=_due(step.due, words))


def _due(day: date | None, words: Words) -> str:
    return words["not_stated"] if day is None else write_date(day)


def maturity(results: Results, words: Words) -> Section:
    """The company's digital maturity at every assessment, and what changed since the first."""
    found = sorted(results.issue.statement.maturity, key=lambda one: (one.assessed_on, one.stage))
    if not found:
        return Section("maturity", words["section_maturity"], (Paragraph(words["no_maturity"]),))
    columns = [Column(words["col_dimension"], share=2)]
    columns += [Column(f"{one.stage}, {write_date(one.assessed_on)}", align="right", share=1) for one in found]
    if len(found) > 1:
        columns.append(Column(words["col_change_since"], align="right", share=1))
    rows = tuple(_dimension(name, found, words) for name in DIMENSIONS)
    table = Table(words["maturity_table"], tuple(columns), rows)
    return Section("maturity", words["section_maturity"], (Paragraph(words["maturity_note"]), table))


def _dimension(name: str, found: list[Maturity], words: Words) -> tuple[str, ...]:
    scores = [getattr(one, name) for one in found]
    change = (format_number(scores[-1] - scores[0], decimals=1, sign=True),) if len(scores) > 1 else ()
    return (words[f"dma_{name}"], *(format_number(score, decimals=1) for score in scores), *change)
