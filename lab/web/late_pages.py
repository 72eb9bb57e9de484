"""What came after the sealing, and the decision to seal again with it."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from devices.service import list_devices
from lab.core.errors import ConflictError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots.service import get_pilot
from lab.reports.errors import DataSetUnknownError
from lab.reports.late import LateArrival, late_arrivals
from lab.reports.progress import Progress, progress_of_pilot
from lab.reports.service import ask_to_seal
from lab.web.languages import gettext as _
from lab.web.rendering import page
from lab.web.wording import plain_words, sentence
from telemetry.endpoints import StoreDep
from telemetry.stores.interface import SampleStore

router = APIRouter(prefix="/pilots/{pilot_id}/late-arrivals")


@router.get("")
def show_late_arrivals(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    store: StoreDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> Response:
    """For the company and the staff: what the store has by now and the newest sealed data do not."""
    return _page(request, pilot_id, principal, database, store, clock, settings)


@router.post("")
def submit_sealing_again(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    store: StoreDep,
    clock: ClockDep,
    settings: SettingsDep,
    version: Annotated[int, Form(ge=0, le=100_000)] = 0,
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """A new version of the sealed data and of the report, with a reason that the report prints."""
    principal.require_staff("seal data")
    said = " ".join(plain_words(reason).split())
    if not said:
        problem = _("Please say why the data are sealed again; the report prints it.")
        return _page(request, pilot_id, principal, database, store, clock, settings, problem=problem)

    def decide(session: Session) -> bool:
        pilot = get_pilot(session, principal, pilot_id)
        progress = progress_of_pilot(session, pilot.id, now=clock.now())
        if not _may_seal_again(progress) or progress.data_set is None or progress.data_set.version != version:
            return False
        settling = timedelta(minutes=settings.seal_settling_minutes)
        ask_to_seal(session, principal, pilot.id, now=clock.now(), settling=settling, reason=said)
        return True

    asked = database.transact(decide)
    return RedirectResponse(f"/pilots/{pilot_id}/seal?done={'asked' if asked else 'late'}", 303)


def _may_seal_again(progress: Progress) -> bool:
    """Whether nothing is under way and nothing waits for being tried again."""
    return progress.data_set is not None and progress.report is not None and progress.state == "done"


def _page(
    request: Request,
    pilot_id: str,
    principal: Principal,
    database: DatabaseDep,
    store: SampleStore,
    clock: ClockDep,
    settings: SettingsDep,
    *,
    problem: str = "",
) -> Response:
    status, version = (422 if problem else 200), 0
    arrivals: list[LateArrival] = []
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
        progress = progress_of_pilot(session, pilot.id, now=clock.now())
        try:
            version, arrivals = late_arrivals(session, store, principal, pilot.id, data_dir=settings.data_dir)
        except DataSetUnknownError:
            pass  # the page says that nothing is sealed yet
        except ConflictError as error:
            problem, status = sentence(error.message, settings.time_zone), 409
        return page(
            request,
            "late-arrivals.html",
            title=_("What came after the sealing"),
            principal=principal,
            status=status,
            here=f"/pilots/{pilot.id}/late-arrivals",
            pilot=pilot,
            version=version,
            arrivals=arrivals,
            compared=bool(version),
            progress=progress,
            may_seal_again=principal.is_staff and bool(version) and _may_seal_again(progress),
            names={device.id: device.name for device in list_devices(session)},
            labels={(one.id, signal.name): signal.label for one in list_devices(session) for signal in one.signals},
            problem=problem,
        )
