"""Slot search over HTTP."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from bookings.endpoints import PilotsDep, RulesDep
from bookings.schemas import Instant, Reference
from bookings.search import service
from bookings.search.schemas import Capabilities, CapabilityAnswer, SlotsAnswer
from bookings.search.wishes import LONGEST_MINUTES, MOST_SLOTS, SlotWish
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["slots"])


@router.get("/slots", summary="The first spans in which everything that is needed is free under all rules")
def find_slots(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    pilots: PilotsDep,
    duration_minutes: Annotated[int, Query(ge=1, le=LONGEST_MINUTES, description="length of the booking")],
    device_ids: Annotated[
        list[str] | None, Query(alias="device_id", description="a device that is needed; repeat it for several")
    ] = None,
    capabilities: Annotated[
        list[str] | None,
        Query(
            alias="capability",
            description="what one device must be able to do, such as `milling(axes>=3, travel_x_mm>=400)`; repeat it "
            "for several. Different requirements may be met by one device; the same one twice asks for two. An "
            "attribute without its axis letter (`travel_mm`) must do on one axis",
        ),
    ] = None,
    start: Annotated[Instant | None, Query(alias="from", description="begin of the window; default: now")] = None,
    end: Annotated[
        Instant | None, Query(alias="to", description="end of the window; default: as far as bookings are open")
    ] = None,
    supervised: Annotated[
        bool, Query(description="with an engineer in any case; else only where the rules want one")
    ] = False,
    prefer: Annotated[
        list[str] | None,
        Query(description="hours by the lab's clock, such as `09:00-12:00`; spans in them come first"),
    ] = None,
    weekdays: Annotated[list[str] | None, Query(alias="weekday", description="only on these days: mon … sun")] = None,
    count: Annotated[int, Query(ge=1, le=MOST_SLOTS)] = 3,
    explain: Annotated[bool, Query(description="whether to tell why earlier starts were refused")] = False,
    organisation_id: Annotated[
        Reference | None, Query(description="for whom; only the staff searches for others")
    ] = None,
    pilot_id: Annotated[Reference | None, Query()] = None,
) -> SlotsAnswer:
    """Whatever is proposed can be booked as it is, as long as nobody is faster; nothing earlier could.

    Starts are looked for at full five minutes, at the steps that a device's rules ask for, and at the beginning of a
    free stretch that has neither. Among the devices that are free at one start the cheapest are chosen. Devices that
    need another one come with it, and an engineer is added where the rules want one.
    """
    wish = SlotWish(
        size=timedelta(minutes=duration_minutes),
        device_ids=tuple(device_ids or ()),
        capabilities=tuple(capabilities or ()),
        start=start,
        end=end,
        supervised=supervised,
        prefer=tuple(prefer or ()),
        weekdays=tuple(weekdays or ()),
        count=count,
        explain=explain,
        organisation_id=organisation_id,
        pilot_id=pilot_id,
    )
    with database.read() as session:
        found = service.find_slots(session, principal, wish, now=clock.now(), rules=rules, company_of_pilot=pilots)
    return SlotsAnswer.of(found, pilot_id)


@router.get("/capabilities", summary="What the devices in service can do")
def list_capabilities(principal: PrincipalDep, database: DatabaseDep) -> Capabilities:
    """With the range of each attribute, so that one knows what to ask for."""
    with database.read() as session:
        found = service.list_capabilities(session)
    return Capabilities(capabilities=[CapabilityAnswer.of(one) for one in found])
