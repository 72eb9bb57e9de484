"""For how long samples and sealed data are kept: what holds, what a rule would delete, and what is set."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError, NotFoundError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.time import from_nanoseconds
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots.models import Pilot
from lab.pilots.service import get_pilot, list_pilots
from lab.reports.models import DataSet
from lab.retention import repository, service
from lab.retention.errors import TermInThePastError
from lab.retention.models import DataSetTerm
from lab.retention.repository import LAB
from lab.retention.schemas import RetentionSetting
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import one_line, sentence
from telemetry.endpoints import StoreDep
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.interface import SampleStore

router = APIRouter(prefix="/manage/retention")

_DONE = {
    "set": N_("It is set. What is older is deleted in the next night."),
    "removed": N_("The rule is removed. What stands above it holds."),
    "kept": N_("It is set until when these data are kept."),
    "late": N_("Somebody was faster; this is how it stands now."),
}
_DAYS = N_("Please give a number of days from 1 to 36500.")
_DAY = N_("Please give a day such as 2031-12-31, or leave it empty: then the data are kept for ever.")
_EARLIEST, _LATEST = 1990, 9000
Line = Annotated[str, Form(max_length=1000)]


@dataclass(frozen=True, slots=True)
class _Gone:
    """What of a machine would be deleted."""

    device_id: str
    samples: int
    until: datetime | None
    """The newest instant of it; `None`: nothing goes."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A sealed data set and until when it is kept."""

    data_set: DataSet
    term: DataSetTerm | None
    pilot: Pilot

    @property
    def last(self) -> datetime | None:
        """The last instant of it; `None`: for ever."""
        until = None if self.term is None else self.term.keep_until
        return None if until is None else until - timedelta(microseconds=1)


@router.get("")
def show_retention(
    request: Request, principal: PrincipalDep, database: DatabaseDep, store: StoreDep, clock: ClockDep, done: str = ""
) -> Response:
    """What is set, and the sealed data."""
    return _page(request, principal, database, store, clock, done=_(_DONE[done]) if done in _DONE else "")


@router.post("")
def submit_rule(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    store: StoreDep,
    clock: ClockDep,
    scope: Line = LAB,
    days: Line = "",
    reason: Line = "",
    version: Line = "",
    look: Line = "",
) -> Response:
    """Look at what a rule would delete; then set it, as it was looked at."""
    principal.require_manager("set how long samples are kept")
    typed = {"scope": scope, "days": days.strip(), "reason": one_line(reason)}
    try:
        setting = RetentionSetting.model_validate({"days": typed["days"], "reason": typed["reason"] or None})
    except ValidationError:
        return _page(request, principal, database, store, clock, problem=_(_DAYS), typed=typed)
    if scope != LAB:
        with database.read() as session:
            get_pilot(session, principal, scope)
    if look:
        return _page(request, principal, database, store, clock, typed=typed, tried={scope: setting.days})
    try:
        database.transact(
            lambda session: service.set_rule(
                session,
                principal,
                scope,
                days=setting.days,
                reason=setting.reason,
                version=int(version) if version.isascii() and version.isdigit() else None,
                now=clock.now(),
            )
        )
    except StaleError:
        return RedirectResponse("/manage/retention?done=late", 303)
    return RedirectResponse("/manage/retention?done=set", 303)


@router.post("/remove")
def submit_removal(
    principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, scope: Line = "", version: int | None = Form(None)
) -> Response:
    """Set nothing there any more."""
    try:
        database.transact(
            lambda session: service.remove_rule(
                session, principal, scope, reason=None, version=version, now=clock.now()
            )
        )
    except (StaleError, NotFoundError):
        return RedirectResponse("/manage/retention?done=late", 303)
    return RedirectResponse("/manage/retention?done=removed", 303)


@router.post("/data-sets/{data_set_id}")
def submit_term(
    request: Request,
    data_set_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    store: StoreDep,
    clock: ClockDep,
    settings: SettingsDep,
    last: Line = "",
    reason: Line = "",
) -> Response:
    """Set until which day sealed data are kept, that day included."""
    principal.require_staff("set until when a data set is kept")
    try:
        keep_until = _end_of(last, settings.time_zone) if last.strip() else None
    except ValueError:
        return _page(request, principal, database, store, clock, problem=_(_DAY))
    try:
        database.transact(
            lambda session: service.set_term(
                session,
                principal,
                data_set_id,
                keep_until=keep_until,
                reason=one_line(reason) or None,
                now=clock.now(),
            )
        )
    except TermInThePastError:
        return _page(request, principal, database, store, clock, problem=_("The last day must not be over yet."))
    except (InvalidError, ConflictError) as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, principal, database, store, clock, problem=problem)
    return RedirectResponse("/manage/retention?done=kept#sealed", 303)


def _end_of(typed: str, zone: str) -> datetime:
    """The first instant after a day of the lab.

    Raises:
        ValueError: it is no day.
    """
    day = date.fromisoformat(typed.strip())
    if not _EARLIEST <= day.year <= _LATEST:
        raise ValueError(typed)
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def _gone(session: Session, store: SampleStore, *, default_days: int | None, now: datetime, tried: Mapping[str, int]
) -> list[_Gone]:  # fmt: skip
    """What the next night would delete, machine by machine.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    found = []
    for plan in service.plan_retention(session, default_days=default_days, now=now, tried=tried):
        samples = store.count(plan.device_id, plan.gone, doubtful_before_ns=plan.doubtful_before_ns) if plan.gone else 0
        until = from_nanoseconds(max(end for _start, end in plan.gone)) if samples else None
        found.append(_Gone(plan.device_id, samples, until))
    return found


def _page(
    request: Request,
    principal: Principal,
    database: DatabaseDep,
    store: SampleStore,
    clock: ClockDep,
    *,
    done: str = "",
    problem: str = "",
    typed: Mapping[str, str] | None = None,
    tried: Mapping[str, int] | None = None,
) -> Response:
    principal.require_staff("read how long samples are kept")
    settings, now, gone = request.app.state.settings, clock.now(), None
    with database.read() as session:
        rules = repository.all_rules(session)
        if tried is not None:
            try:
                gone = _gone(session, store, default_days=settings.retention_days, now=now, tried=tried)
            except StoreUnavailableError:
                problem = _("The store of samples does not answer, so nobody can say what would go. Try again later.")
        pilots = {pilot.id: pilot for pilot in list_pilots(session, principal)}
        sealed = [
            _Kept(data_set, term, pilots[data_set.pilot_id])
            for data_set, term in repository.data_sets_with_terms(session, None)
            if data_set.pilot_id in pilots
        ]
        return page(
            request,
            "retention.html",
            title=_("How long data are kept"),
            principal=principal,
            status=422 if problem else 200,
            here="/manage/retention",
            default_days=settings.retention_days,
            lab_rule=next((rule for rule, _pilot in rules if rule.scope == LAB), None),
            pilot_rules=[(rule, pilots[rule.scope]) for rule, _pilot in rules if rule.scope in pilots],
            versions={rule.scope: rule.version for rule, _pilot in rules},
            pilots=list(pilots.values()),
            sealed=sealed,
            device_names={device.id: device.name for device in list_devices(session)},
            typed=typed or {},
            gone=gone,
            done=done,
            problem=problem,
        )
