"""Prices: what holds, what held and will hold, and publishing new ones after a look at what they change."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from bookings.prices import publishing, repository
from bookings.prices.errors import PriceListPastError
from bookings.prices.preview import PricesEffect, preview_prices
from bookings.prices.service import prices_in_force
from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import LARGEST_LIMIT, PageWish
from lab.people.endpoints import PrincipalDep
from lab.people.repository import names_of_accounts
from lab.web.booking_pages import names
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.price_forms import filled_in, read_draft
from lab.web.rendering import page
from lab.web.rule_pages import Typed
from lab.web.wording import sentence

router = APIRouter(prefix="/manage/prices")

_PAST = N_(
    "New prices cannot begin in the past: slots were booked at the old ones. "
    "Leave the field empty, and they begin at once."
)
_DONE = {
    "published": N_("The prices are published. What is booked keeps its price."),
    "late": N_("Somebody was faster; this is how it stands now."),
}


@router.get("")
def show_prices(
    request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, done: str = ""
) -> Response:
    """The prices that hold, and all that were published."""
    return _page(request, principal, database, clock, done=done)


@router.post("")
def submit_prices(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    typed: Typed,
) -> Response:
    """Look at what new prices would change, or publish them."""
    principal.require_manager("publish prices")
    seen = typed.get("seen", "")
    try:
        with database.read() as session:
            draft = read_draft(typed, list_devices(session), settings.time_zone)
        terms: dict[str, Any] = {
            "valid_from": draft.valid_from,
            "devices": draft.devices,
            "supervision_hour_cents": draft.supervision_hour_cents,
        }
        if typed.get("look"):
            with database.read() as session:
                effect = preview_prices(session, principal, **terms, now=clock.now())
            return _page(request, principal, database, clock, typed=typed, effect=effect)
        database.transact(
            lambda session: publishing.publish_price_list(
                session,
                principal,
                name=draft.name,
                **terms,
                now=clock.now(),
                seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else None,
            )
        )
    except StaleError:
        return RedirectResponse("/manage/prices?done=late", 303)
    except (InvalidError, ConflictError) as error:
        past = isinstance(error, PriceListPastError)
        problem = _(_PAST) if past else sentence(error.message, settings.time_zone)
        field = str(error.facts.get("field", ""))
        return _page(request, principal, database, clock, typed=typed, problem=problem, wrong=field)
    return RedirectResponse("/manage/prices?done=published", 303)


def _page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    *,
    done: str = "",
    typed: dict[str, str] | None = None,
    effect: PricesEffect | None = None,
    problem: str = "",
    wrong: str = "",
) -> Response:
    principal.require_staff("read price lists")
    now = clock.now()
    with database.read() as session:
        devices = list_devices(session)
        found, in_force = publishing.list_price_lists(session, principal, PageWish(LARGEST_LIMIT), now=now)
        pricing = repository.find_pricing(session, principal.organisation_id, now=now)
        prices = prices_in_force(session, principal, devices, now=now)
        return page(
            request,
            "prices.html",
            title=_("Prices"),
            principal=principal,
            status=422 if problem else 200,
            here="/manage/prices",
            devices=devices,
            prices=prices,
            price_lists=found.rows,
            ends=publishing.ends_of(found.rows),
            in_force=in_force,
            newest=max((one.version for one in found.rows), default=0),
            supervision_hour_cents=pricing.supervision_hour_cents,
            typed=typed if typed is not None else filled_in(prices, pricing.supervision_hour_cents),
            effect=effect,
            problem=problem,
            wrong=wrong,
            people=names_of_accounts(session, {one.created_by for one in found.rows}),
            done=_(_DONE[done]) if done in _DONE else "",
            **names(session, principal),
        )
