"""Prices, programmes and public support over HTTP."""

import csv
import io
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from bookings.prices import publishing, service
from bookings.prices.publishing import ListedPrice
from bookings.prices.schemas import (
    MembershipAnswer,
    PriceListAnswer,
    PriceListRequest,
    PriceLists,
    ProgrammeAnswer,
    ProgrammeRequest,
    Programmes,
    ProgrammeWithCompanies,
    QuoteAnswer,
    SupportAnswer,
)
from bookings.schemas import Instant, Reference
from lab.core.http import ClockDep, DatabaseDep, PageDep, say_next
from lab.core.idempotency import IdempotencyDep, once
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["prices"])

Whose = Annotated[Reference | None, Query(description="Of which organisation; without it, one's own.")]
_COLUMNS = (
    "entry",
    "organisation_id",
    "organisation",
    "programme_id",
    "programme",
    "legal_basis",
    "booking_id",
    "granted_at",
    "cents",
    "counters",
    "written_by",
    "written_at",
    "reason",
)


@router.get("/quotes", summary="What a slot would cost, and the public support in it")
def get_quote(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    device_ids: Annotated[list[str], Query(alias="device_id", description="repeat it for several devices")],
    start: Annotated[Instant, Query()],
    end: Annotated[Instant, Query()],
    supervised: Annotated[bool, Query(description="with an engineer of the lab")] = False,
    organisation_id: Whose = None,
) -> QuoteAnswer:
    """A member asks for the own company, the staff for any. Whether the slot is free is not looked at."""
    span = Span(start, end)
    with database.read() as session:
        view = service.get_quote(
            session,
            principal,
            device_ids=device_ids,
            span=span,
            supervised=supervised,
            organisation_id=organisation_id,
            now=clock.now(),
        )
    return QuoteAnswer.of(view, span.start, span.end, supervised=supervised)


@router.post("/price-lists", status_code=201, response_model=PriceListAnswer, summary="Publish prices (managers)")
def publish_price_list(
    request: PriceListRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    key: IdempotencyDep,
) -> Response:
    """They never change; the list with the latest start at the instant of booking counts."""
    devices = {name: ListedPrice(price.hour_cents, price.setup_cents) for name, price in request.devices.items()}
    return once(
        key,
        database,
        principal,
        clock,
        lambda session: publishing.publish_price_list(
            session,
            principal,
            name=request.name,
            valid_from=request.valid_from,
            devices=devices,
            supervision_hour_cents=request.supervision_hour_cents,
            now=clock.now(),
        ),
        answer=PriceListAnswer.of,
        headers=lambda made: {"Location": f"/api/v1/price-lists/{made.version}"},
    )


@router.get("/price-lists", summary="Price lists, the newest first (staff)")
def list_price_lists(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    wish: PageDep,
) -> PriceLists:
    """Companies see prices in their quotes."""
    with database.read() as session:
        page, in_force = publishing.list_price_lists(session, principal, wish, now=clock.now())
    found = [PriceListAnswer.of(price_list) for price_list in page.rows]
    return PriceLists(price_lists=found, in_force=in_force, next=say_next(request, response, page))


@router.get("/price-lists/{version}", summary="One price list (staff)")
def get_price_list(version: Annotated[int, Path()], principal: PrincipalDep, database: DatabaseDep) -> PriceListAnswer:
    """Also one that holds no more, or not yet."""
    with database.read() as session:
        return PriceListAnswer.of(publishing.get_price_list(session, principal, version))


@router.post("/programmes", status_code=201, response_model=ProgrammeAnswer, summary="Set up a programme (managers)")
def create_programme(
    request: ProgrammeRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    key: IdempotencyDep,
) -> Response:
    """Its terms never change: what was granted on them stays as it was granted."""
    return once(
        key,
        database,
        principal,
        clock,
        lambda session: publishing.create_programme(
            session,
            principal,
            name=request.name,
            legal_basis=request.legal_basis,
            price_per_mille=request.price_per_mille,
            state_share_per_mille=request.state_share_per_mille,
            valid_from=request.valid_from,
            valid_until=request.valid_until,
            now=clock.now(),
        ),
        answer=ProgrammeAnswer.of,
        headers=lambda made: {"Location": f"/api/v1/programmes/{made.id}"},
    )


@router.get("/programmes", summary="Programmes by name (staff)")
def list_programmes(principal: PrincipalDep, database: DatabaseDep) -> Programmes:
    """Past and future ones too."""
    with database.read() as session:
        found = publishing.list_programmes(session, principal)
    return Programmes(programmes=[ProgrammeAnswer.of(programme) for programme in found])


@router.get("/programmes/{programme_id}", summary="One programme with its companies (staff)")
def get_programme(programme_id: str, principal: PrincipalDep, database: DatabaseDep) -> ProgrammeWithCompanies:
    """Companies that have left are listed with the instant at which they did."""
    with database.read() as session:
        return ProgrammeWithCompanies.with_companies(*publishing.get_programme(session, principal, programme_id))


@router.put("/programmes/{programme_id}/companies/{organisation_id}", summary="Take a company in (managers)")
def add_company(
    programme_id: str, organisation_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> MembershipAnswer:
    """What it books from now on is on the programme's terms. Saying it again changes nothing."""
    return database.transact(
        lambda session: MembershipAnswer.of(
            publishing.add_company(session, principal, programme_id, organisation_id, now=clock.now())
        )
    )


@router.delete("/programmes/{programme_id}/companies/{organisation_id}", summary="Take a company out (managers)")
def remove_company(
    programme_id: str, organisation_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> MembershipAnswer:
    """What it has booked stays as it is; from now on it books at the market price. Saying it again changes nothing."""
    return database.transact(
        lambda session: MembershipAnswer.of(
            publishing.remove_company(session, principal, programme_id, organisation_id, now=clock.now())
        )
    )


@router.get("/support", summary="The ledger of public support, the newest entry first")
def list_support(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    wish: PageDep,
    organisation_id: Whose = None,
) -> SupportAnswer:
    """The staff sees everybody's, or one company's; a member the own company's: another's does not exist (404)."""
    with database.read() as session:
        view = service.list_support(session, principal, organisation_id, wish, now=clock.now())
    say_next(request, response, view.page)
    return SupportAnswer.of(view)


@router.get(
    "/support.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    summary="The ledger of public support as a table (managers)",
)
def download_support(principal: PrincipalDep, database: DatabaseDep, organisation_id: Whose = None) -> Response:
    """All of it, or one company's, as it was written."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\r\n")
    rows.writerow(_COLUMNS)
    with database.read() as session:
        for entry, organisation, programme in service.ledger_rows(session, principal, organisation_id):
            rows.writerow(
                [
                    entry.id,
                    entry.organisation_id,
                    _as_text(organisation),
                    entry.programme_id,
                    _as_text(programme),
                    entry.legal_basis,
                    entry.booking_id,
                    entry.granted_at.isoformat(),
                    entry.cents,
                    entry.counters,
                    entry.written_by,
                    entry.written_at.isoformat(),
                    _as_text(entry.reason),
                ]
            )
    return Response(
        table.getvalue(), media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="support.csv"'}
    )


def _as_text(words: str) -> str:
    """What people typed, so that a spreadsheet does not take it for a formula."""
    return f"'{words}" if words[:1] in {"=", "+", "-", "@", "\t", "\r"} else words
