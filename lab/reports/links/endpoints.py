"""Links to reports over HTTP; the pages behind them are `lab.web.shared_report_pages`."""

from fastapi import APIRouter, Request

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.reports.links import service
from lab.reports.links.schemas import NewReportLink, NewReportLinkAnswer, ReportLinkAnswer, ReportLinkList

router = APIRouter(prefix="/api/v1", tags=["reports"])


@router.post("/reports/{report_id}/links", status_code=201, summary="Make a secret link to an approved report")
def create_link(
    report_id: str,
    body: NewReportLink,
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> NewReportLinkAnswer:
    """For somebody without an account. The address is shown only in this answer."""
    link, secret = database.transact(
        lambda session: service.create_link(
            session, principal, report_id, label=body.label, days=body.days, now=clock.now()
        )
    )
    address = (settings.public_url or str(request.base_url)).rstrip("/")
    return NewReportLinkAnswer(**ReportLinkAnswer.of(link).model_dump(), url=f"{address}/shared/{secret}")


@router.get("/reports/{report_id}/links", summary="The links to a report")
def list_links(report_id: str, principal: PrincipalDep, database: DatabaseDep) -> ReportLinkList:
    """Without their secrets; with how often each was opened, and ended ones too."""
    with database.read() as session:
        links = service.list_links(session, principal, report_id)
        return ReportLinkList(links=[ReportLinkAnswer.of(link) for link in links])


@router.post("/report-links/{link_id}/revoke", summary="Close a link to a report")
def revoke_link(link_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> ReportLinkAnswer:
    """For good, from this moment on; saying it again changes nothing."""
    link = database.transact(lambda session: service.revoke_link(session, principal, link_id, now=clock.now()))
    return ReportLinkAnswer.of(link)
