"""What managers set, and what is done about it. The caller owns the transaction, except in `retain`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.time import to_microseconds, to_nanoseconds
from lab.people.principals import SYSTEM, Principal
from lab.pilots.service import get_pilot
from lab.reports.models import DataSet
from lab.retention import repository
from lab.retention.errors import (
    DataSetRemovedError,
    DataSetUnknownError,
    RetentionRuleChangedError,
    RetentionRuleMissingError,
    TermInThePastError,
    TermReasonMissingError,
)
from lab.retention.models import DataSetTerm, RetentionRule
from lab.retention.repository import LAB
from lab.retention.rules import DAY_NS, Span, is_shorter, spans_to_delete
from telemetry.grants import BEGINNING_NS
from telemetry.stores.interface import SampleStore

log = structlog.get_logger(__name__)

SHARED = "package.zip"
"""The file of a report that holds the sealed data once more."""


@dataclass(frozen=True, slots=True)
class DeviceRetention:
    """What of a device goes, and what would go but for runs that need it."""

    device_id: str
    gone: list[Span]
    needed: list[Span]
    doubtful_before_ns: int
    """Of samples whose time is in doubt, which wait for an engineer, only what was received before this goes."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What a round has deleted."""

    samples: Mapping[str, int]
    """Device → how many."""
    events: int
    data_sets: list[str]


def find_rule(session: Session, principal: Principal, scope: str) -> RetentionRule:
    """What is set for the lab or a pilot; for the staff.

    Raises:
        ForbiddenError: for anybody else.
        PilotUnknownError: there is no such pilot.
        RetentionRuleMissingError: nothing is set there.
    """
    principal.require_staff("read how long samples are kept")
    _require_scope(session, principal, scope)
    rule = repository.find_rule(session, scope)
    if rule is None:
        raise RetentionRuleMissingError("nothing is set there; what stands above it holds", rule="retention-set")
    return rule


def set_rule(
    session: Session,
    principal: Principal,
    scope: str,
    *,
    days: int,
    reason: str | None,
    version: int | None,
    now: datetime,
) -> RetentionRule:
    """Set for how many days samples are kept.

    Args:
        session: of a write transaction.
        principal: a manager.
        scope: `lab`, or a pilot's id.
        days: how long.
        reason: in the manager's words, for the log.
        version: on which it was decided; `None`: whichever there is.
        now: the present.

    Raises:
        ForbiddenError: for anybody but a manager.
        PilotUnknownError: there is no such pilot.
        RetentionRuleChangedError: it is another version meanwhile.
    """
    principal.require_manager("set how long samples are kept")
    _require_scope(session, principal, scope)
    rule = repository.find_rule(session, scope)
    _require_version(rule, version)
    before = None if rule is None else {"days": rule.days}
    if rule is None:
        rule = RetentionRule(scope=scope, version=0)
        session.add(rule)
    rule.days, rule.version, rule.changed_by, rule.changed_at = days, rule.version + 1, principal.account_id, now
    session.flush()
    what = "created" if before is None else "changed"
    note_change(
        session,
        "retention-rule",
        scope,
        what,
        by=principal.account_id,
        at=now,
        before=before,
        after={"days": days},
        reason=reason,
    )
    return rule


def remove_rule(
    session: Session, principal: Principal, scope: str, *, reason: str | None, version: int | None, now: datetime
) -> None:
    """Set nothing there any more.

    Raises:
        ForbiddenError: for anybody but a manager.
        RetentionRuleMissingError: nothing is set there.
        RetentionRuleChangedError: it is another version meanwhile.
    """
    principal.require_manager("set how long samples are kept")
    rule = find_rule(session, principal, scope)
    _require_version(rule, version)
    session.delete(rule)
    session.flush()
    note_change(
        session,
        "retention-rule",
        scope,
        "removed",
        by=principal.account_id,
        at=now,
        before={"days": rule.days},
        reason=reason,
    )


def plan_retention(
    session: Session, *, default_days: int | None, now: datetime, tried: Mapping[str, int] | None = None
) -> list[DeviceRetention]:
    """What of each device goes by the rules as they are.

    Args:
        session: to read in.
        default_days: the installation's setting, where managers have set nothing.
        now: the present.
        tried: scope → days of rules that are not set yet, in the place of those that are.
    """
    rules = {rule.scope: rule.days for rule, _ in repository.all_rules(session)} | dict(tried or {})
    lab_days = rules.pop(LAB, default_days)
    longest = None if lab_days is None else max([lab_days, *rules.values()])
    doubtful_before_ns = BEGINNING_NS if longest is None else to_nanoseconds(now) - longest * DAY_NS
    found = []
    for device_id in repository.device_ids(session):
        needed = repository.needed_spans(session, device_id)
        gone = spans_to_delete(
            to_nanoseconds(now),
            lab_days=lab_days,
            pilot_days=rules,
            times=repository.pilot_times(session, device_id, list(rules)),
            needed=needed,
        )
        found.append(DeviceRetention(device_id, gone, needed, doubtful_before_ns))
    return found


def retain(
    database: Database, store: SampleStore, *, data_dir: Path, default_days: int | None, clock: Clock
) -> Retained:
    """Delete what is older than its rule; doing it again deletes nothing more.

    Raises:
        StoreUnavailableError: a part may be deleted; the rest is at the next time.
    """
    now = clock.now()
    with database.read() as session:
        plans = plan_retention(session, default_days=default_days, now=now)
    samples, events = {}, 0
    for plan in plans:
        if plan.gone:
            before_ns = plan.doubtful_before_ns
            count = store.delete(plan.device_id, plan.gone, doubtful_before_ns=before_ns)
            delete_events = partial(repository.delete_events, device_id=plan.device_id, spans=plan.gone)
            events += database.transact(partial(delete_events, doubtful_before_ns=before_ns))
            if count:
                samples[plan.device_id] = count
    data_sets = _remove_data_sets(database, data_dir, now)
    done = Retained(samples, events, data_sets)
    if samples or events:
        after = {"samples": samples, "events": events}
        database.transact(
            lambda session: note_change(session, "retention", LAB, "deleted", by=SYSTEM.account_id, at=now, after=after)
        )
        log.info("old samples are deleted", samples=sum(samples.values()), events=events)
    return done


def find_term(session: Session, principal: Principal, data_set_id: str) -> tuple[DataSet, DataSetTerm | None]:
    """A sealed data set and until when it is kept; for its own company and the staff.

    Raises:
        DataSetUnknownError: if there is none, or it is another company's.
    """
    found = repository.find_data_set(session, data_set_id)
    if found is None or not principal.owns(found[1].organisation_id):
        raise DataSetUnknownError("there is no such data set", field="data_set_id", rule="known-data-set")
    return found[0], repository.find_term(session, data_set_id)


def set_term(
    session: Session,
    principal: Principal,
    data_set_id: str,
    *,
    keep_until: datetime | None,
    reason: str | None,
    now: datetime,
) -> tuple[DataSet, DataSetTerm]:
    """Set until when a sealed data set is kept. It is never kept for a shorter time without a manager's reason.

    Args:
        session: of a write transaction.
        principal: of the staff; a manager, to shorten it.
        data_set_id: which one.
        keep_until: then it is deleted; `None`: for ever, as it is where nothing was set.
        reason: needed to shorten it.
        now: the present.

    Raises:
        ForbiddenError: for anybody but the staff, and for engineers who would shorten it.
        DataSetUnknownError: there is no such data set.
        TermInThePastError: the instant has passed.
        TermReasonMissingError: it would be shorter, and no reason is given.
        DataSetRemovedError: it is deleted already.
    """
    principal.require_staff("set until when a data set is kept")
    data_set, term = find_term(session, principal, data_set_id)
    if term is not None and term.removed_at is not None:
        raise DataSetRemovedError("the data of this data set are deleted; its time was over", rule="not-removed")
    if keep_until is not None and keep_until <= now:
        raise TermInThePastError("keep_until must be an instant that is to come", field="keep_until", rule="future")
    old = None if term is None else term.keep_until
    if is_shorter(_microseconds(keep_until), _microseconds(old)):
        principal.require_manager("have a data set kept for a shorter time")
        if not (reason or "").strip():
            raise TermReasonMissingError(
                "say why the data set is to be kept for a shorter time", field="reason", rule="reason"
            )
    if term is None:
        term = DataSetTerm(data_set_id=data_set_id, removed_at=None)
        session.add(term)
    term.keep_until, term.set_by, term.set_at = keep_until, principal.account_id, now
    session.flush()
    note_change(
        session,
        "data-set",
        data_set_id,
        "term-set",
        by=principal.account_id,
        at=now,
        before={"keep_until": None if old is None else old.isoformat()},
        after={"keep_until": None if keep_until is None else keep_until.isoformat()},
        reason=reason,
    )
    return data_set, term


def _remove_data_sets(database: Database, data_dir: Path, now: datetime) -> list[str]:
    with database.read() as session:
        ended = [
            (data_set.id, data_set.folder, repository.report_folders(session, data_set.id))
            for data_set, _ in repository.ended_terms(session, now)
        ]
    for data_set_id, folder, reports in ended:
        shutil.rmtree(data_dir / folder, ignore_errors=True)
        for report in reports:
            (data_dir / report / SHARED).unlink(missing_ok=True)
        if (data_dir / folder).exists():
            log.error("the files of a data set cannot be deleted; it is tried again tomorrow", data_set=data_set_id)
            continue
        database.transact(partial(_note_removal, data_set_id=data_set_id, now=now))
    return [data_set_id for data_set_id, _, _ in ended]


def _note_removal(session: Session, data_set_id: str, now: datetime) -> None:
    term = repository.find_term(session, data_set_id)
    if term is not None and term.removed_at is None:
        term.removed_at = now
        note_change(session, "data-set", data_set_id, "removed", by=SYSTEM.account_id, at=now)


def _require_scope(session: Session, principal: Principal, scope: str) -> None:
    if scope != LAB:
        get_pilot(session, principal, scope)


def _require_version(rule: RetentionRule | None, version: int | None) -> None:
    present = 0 if rule is None else rule.version
    if version is not None and version != present:
        raise RetentionRuleChangedError(
            "somebody has changed this rule meanwhile; look at it again", rule="version", version=present
        )


def _microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_microseconds(instant)
