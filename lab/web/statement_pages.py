"""What only people can say in a draft of a report: written by the staff on a form."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from lab.core.errors import StaleError
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.reports import issuing
from lab.reports.errors import ReportStateError
from lab.reports.issue import ReportIssue
from lab.reports.service import get_report
from lab.reports.words import words_of
from lab.web.languages import gettext as _
from lab.web.languages import present_language
from lab.web.rendering import page
from lab.web.rule_pages import Typed
from lab.web.statement_forms import DEGREES, LABELS, fault_of, read_statement, shown_rows, typed_of

router = APIRouter(prefix="/reports/{report_id}/statement")


@router.get("")
def show_statement(request: Request, report_id: str, principal: PrincipalDep, database: DatabaseDep) -> Response:
    """The form, with what is said by now."""
    return _form(request, report_id, principal, database)


@router.post("")
def submit_statement(
    request: Request,
    report_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    typed: Typed,
) -> Response:
    """Write it, or show more room; what was typed stays on the form when it is refused."""
    if typed.get("more"):
        return _form(request, report_id, principal, database, typed=typed)
    principal.require_staff("write in reports")
    revision = typed.get("revision", "")
    try:
        with database.read() as session:
            report = get_report(session, principal, report_id)
            maturity = issuing.known_maturity(session, report)
        statement = read_statement(typed, maturity=maturity)
        database.transact(
            lambda session: issuing.write_statement(
                session,
                principal,
                report_id,
                statement,
                version=int(revision) if revision.isdecimal() and len(revision) < 10 else 0,
                now=clock.now(),
            )
        )
    except ValidationError as error:
        return _form(request, report_id, principal, database, typed=typed, problem=fault_of(error))
    except StaleError:
        problem = _(
            "Somebody was faster and has changed this report; nothing of yours is kept yet. Compare it with how the "
            "report stands now: what you keep here replaces it."
        )
        return _form(request, report_id, principal, database, typed=typed, problem=problem, status=409)
    except ReportStateError:
        problem = _("This report is no draft any more, so nothing was changed.")
        return _form(request, report_id, principal, database, typed=typed, problem=problem, status=409)
    return RedirectResponse(f"/reports/{report_id}?done=written", 303)


def _form(
    request: Request,
    report_id: str,
    principal: Principal,
    database: DatabaseDep,
    *,
    typed: Mapping[str, str] | None = None,
    problem: str = "",
    status: int = 422,
) -> Response:
    words = words_of(present_language())
    with database.read() as session:
        report = get_report(session, principal, report_id)
        principal.require_staff("write in reports")
        shown = typed if typed is not None else typed_of(ReportIssue.model_validate(report.issue).statement)
        return page(
            request,
            "statement.html",
            title=_("What people say in %(number)s", number=report.number),
            principal=principal,
            status=status if problem else 200,
            here=f"/reports/{report_id}/statement",
            report=report,
            typed=shown,
            risks=shown_rows(shown, "risks"),
            steps=shown_rows(shown, "next_steps"),
            labels={name: _(label) for name, label in LABELS.items()},
            levels={str(level): f"{level}: {words[f'trl_{level}']}" for level in range(1, 10)},
            degrees={degree: words[f"degree_{degree}"] for degree in DEGREES},
            maturity=issuing.known_maturity(session, report),
            problem=problem,
        )
