"""A pilot as a row of steps, from the question to what becomes of it, with the one that is next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from bookings.models import Booking
from lab.pilots.models import Pilot, Plan, Run
from lab.reports.afterwards.models import FollowUp, ReportAcceptance
from lab.reports.gathering import bookings_of_runs
from lab.reports.issue import ReportIssue
from lab.reports.models import Report
from lab.reports.progress import Progress
from lab.web.languages import gettext as _


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        name: what it is.
        state: done, next (somebody has to do it now) or later.
        fact: how it stands, in a few words.
        at: since when; None: not yet, or nobody notes it.
        address: where it is done or seen; empty: nowhere.
    """

    name: str
    state: Literal["done", "next", "later"]
    fact: str
    at: datetime | None = None
    address: str = ""


def pilot_steps(
    pilot: Pilot,
    plan: Plan | None,
    runs: Sequence[Run],
    bookings: Sequence[Booking],
    reports: Sequence[Report],
    *,
    machines: Sequence[str],
    for_staff: bool,
    progress: Progress,
    acceptance: ReportAcceptance | None,
    follow_ups: Sequence[FollowUp],
) -> list[Step]:
    """The steps of a pilot in their order; the first one that is not done is next.

    Args:
        pilot: the pilot.
        plan: its newest plan.
        runs: as laid out by the locked plan.
        bookings: of this pilot.
        reports: the newest first.
        machines: that the plan needs; they are chosen on the form to book.
        for_staff: it is read by the lab, not by the company.
        progress: of sealing and the report.
        acceptance: of the newest report.
        follow_ups: the first one first; none before the report is approved.
    """
    locked = plan.locked_at if plan is not None else None
    held = {booking.id for booking in bookings if booking.state not in {"cancelled", "no_show"}}
    held |= bookings_of_runs(runs)  # a booking of the company may not name the pilot
    finished = sum(run.ended_at is not None for run in runs)
    sealed = pilot.state in {"sealed", "reported"}
    report = reports[0] if reports else None
    given = [
        (_("Question"), True, pilot.question, pilot.created_at, ""),
        (_("Plan"), plan is not None, _plan_fact(plan), None, f"/pilots/{pilot.id}#plan"),
        (_("Plan locked"), locked is not None, _locked_fact(locked), locked, f"/pilots/{pilot.id}#plan"),
        (
            _("Slots booked"), bool(held), _slots_fact(len(held)),
            min((booking.start_at for booking in bookings if booking.id in held), default=None),
            _form_to_book(pilot, machines),
        ),
        (
            _("Runs"), bool(runs) and finished == len(runs), _runs_fact(runs, finished),
            max((run.ended_at for run in runs if run.ended_at is not None), default=None),
            f"/pilots/{pilot.id}#runs",
        ),
        (
            _("Data sealed"), sealed, _sealed_fact(progress),
            progress.data_set.sealed_at if progress.data_set else None, f"/pilots/{pilot.id}/seal",
        ),
        (
            _("Report"), report is not None and report.is_final, _report_fact(report, for_staff=for_staff),
            _approved_at(report), _report_address(report),
        ),
        (
            _("Accepted"), acceptance is not None, _acceptance_fact(acceptance, for_staff=for_staff),
            acceptance.accepted_at if acceptance else None, _report_address(report) + "#acceptance",
        ),
        (
            _("What became of it"), bool(follow_ups) and follow_ups[-1].answered_at is not None,
            _follow_up_fact(follow_ups, for_staff=for_staff), follow_ups[-1].answered_at if follow_ups else None,
            f"/pilots/{pilot.id}/afterwards",
        ),
    ]  # fmt: skip
    first = next((number for number, step in enumerate(given) if not step[1]), len(given))
    return [
        Step(name, "done" if done else "next" if number == first else "later", fact, at if done else None, address)
        for number, (name, done, fact, at, address) in enumerate(given)
    ]


def _form_to_book(pilot: Pilot, machines: Sequence[str]) -> str:
    given = [("pilot", pilot.id), ("organisation_id", pilot.organisation_id)]
    return "/bookings/new?" + urlencode([*given, *(("device", device) for device in machines)])


def _plan_fact(plan: Plan | None) -> str:
    if plan is None:
        return _("Say what is measured, and from which saving on it would pay.")
    return _("What is measured, how often, and how it is decided.")


def _locked_fact(locked: datetime | None) -> str:
    if locked is None:
        return _("Before the first run the criteria are locked, so that nobody can bend them to the result.")
    return _("The criteria cannot change unnoticed any more.")


def _slots_fact(held: int) -> str:
    if not held:
        return _("Book time on the machines.")
    return _("%(number)s slots on the machines.", number=held) if held > 1 else _("One slot on the machines.")


def _runs_fact(runs: Sequence[Run], finished: int) -> str:
    if not runs:
        return _("The runs are laid out, in random order, when the plan is locked.")
    return _("%(finished)s of %(all)s finished.", finished=finished, all=len(runs))


def _sealed_fact(progress: Progress) -> str:
    if progress.data_set is not None:
        return _("What the machines said is complete and cannot change.")
    if progress.state == "waiting":
        return _("Asked for; it waits until the slot is over and late messages are in.")
    if progress.state in {"working", "stumbled"}:
        return _("The data are being sealed.")
    if progress.state == "failed":
        return _("It did not work; the lab looks after it.")
    return _("After the last run the lab checks that nothing is missing, and seals the data.")


def _report_fact(report: Report | None, *, for_staff: bool) -> str:
    if report is None and for_staff:
        return _("The answer to the company’s question, with every number and how sure it is.")
    if report is None:
        return _("The answer to your question, with every number and how sure it is.")
    return _(report.verdict) if report.is_final else _("Written; two people of the lab check it.")


def _approved_at(report: Report | None) -> datetime | None:
    if report is None or not report.is_final:
        return None
    signed = ReportIssue.model_validate(report.issue).approved
    return None if signed is None else signed.at


def _acceptance_fact(acceptance: ReportAcceptance | None, *, for_staff: bool) -> str:
    if acceptance is None and for_staff:
        return _("The company says that the pilot is finished with this report.")
    if acceptance is None:
        return _("Your company says that the pilot is finished with this report.")
    return acceptance.name


def _follow_up_fact(follow_ups: Sequence[FollowUp], *, for_staff: bool) -> str:
    last = next((row for row in reversed(follow_ups) if row.answered_at is not None), None)
    if last is None and for_staff:
        return _("After 6 and 12 months the lab asks whether the company has invested.")
    if last is None:
        return _("After 6 and 12 months the lab asks whether you have invested.")
    if for_staff:
        told = {"yes": _("The company has invested."), "no": _("The company has not invested.")}
        return told.get(last.invested or "", _("Not decided yet."))
    invested = {"yes": _("You have invested."), "no": _("You have not invested.")}
    return invested.get(last.invested or "", _("Not decided yet."))


def _report_address(report: Report | None) -> str:
    return f"/reports/{report.id}" if report is not None else ""
