"""What the log of changes says, in plain words of the language of the page."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lab.core.audit import AuditEntry
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import lab_time, price, role_name

SUBJECTS = {
    "booking": N_("booking"),
    "waitlist": N_("waiting for a slot"),
    "rule": N_("rule"),
    "outage": N_("outage"),
    "qualification": N_("training"),
    "price-list": N_("price list"),
    "programme": N_("programme of support"),
    "other-aid": N_("support from elsewhere"),
    "organisation": N_("company"),
    "account": N_("account"),
    "pilot": N_("pilot"),
    "enquiry": N_("enquiry"),
    "data-set": N_("sealed data"),
    "report": N_("report"),
    "report-link": N_("link to a report"),
    "alarm": N_("alarm"),
    "alarm-rule": N_("alarm rule"),
    "device": N_("machine"),
    "device-command": N_("command to a machine"),
    "device-time": N_("time of a machine"),
    "dead-letters": N_("messages not stored"),
    "retention": N_("deletion of old samples"),
    "retention-rule": N_("how long samples are kept"),
    "calendar-link": N_("link to a calendar"),
    "webhook": N_("webhook"),
    "mail": N_("mail"),
}
"""What kind of thing was changed."""
DEEDS = {
    "accepted": N_("%(thing)s accepted"),
    "acknowledged": N_("%(thing)s taken care of"),
    "adopted": N_("%(thing)s adopted"),
    "alias-adopted": N_("%(thing)s: another name of a signal adopted"),
    "approved": N_("%(thing)s approved"),
    "asked": N_("%(thing)s asked"),
    "assigned": N_("%(thing)s assigned"),
    "begun": N_("%(thing)s begun anew"),
    "cancelled": N_("%(thing)s cancelled"),
    "changed": N_("%(thing)s changed"),
    "cleared": N_("%(thing)s cleared"),
    "closed": N_("%(thing)s closed"),
    "commented": N_("%(thing)s commented on"),
    "company added": N_("%(thing)s: company taken in"),
    "company removed": N_("%(thing)s: company taken out"),
    "countered": N_("%(thing)s countered"),
    "created": N_("%(thing)s created"),
    "declared": N_("%(thing)s declared"),
    "declined": N_("%(thing)s declined"),
    "deleted": N_("%(thing)s deleted"),
    "disabled": N_("%(thing)s switched off"),
    "document added": N_("%(thing)s: document added"),
    "document described": N_("%(thing)s: document described"),
    "document removed": N_("%(thing)s: document removed"),
    "ended": N_("%(thing)s ended"),
    "expired": N_("%(thing)s expired"),
    "extended": N_("%(thing)s extended"),
    "finished": N_("%(thing)s finished"),
    "followed up": N_("%(thing)s: asked what became of it"),
    "granted": N_("%(thing)s granted"),
    "joined": N_("%(thing)s joined"),
    "lapsed": N_("%(thing)s lapsed"),
    "maturity assessed": N_("%(thing)s: digital maturity written down"),
    "moved": N_("%(thing)s moved"),
    "no-show": N_("%(thing)s: nobody came"),
    "note written": N_("%(thing)s: note written"),
    "offered": N_("%(thing)s offered"),
    "opened": N_("%(thing)s opened"),
    "password-reset": N_("%(thing)s given a new password"),
    "photo removed": N_("%(thing)s: photo removed"),
    "photo shown": N_("%(thing)s: photo shown"),
    "plan amended": N_("%(thing)s: locked plan changed"),
    "plan drafted from a sketch": N_("%(thing)s: plan drafted from a sketch"),
    "plan written by the staff": N_("%(thing)s: plan written by the staff"),
    "published": N_("%(thing)s published"),
    "queued": N_("%(thing)s sent again"),
    "recorded": N_("%(thing)s recorded"),
    "referred": N_("%(thing)s referred"),
    "reinstated": N_("%(thing)s valid again"),
    "removed": N_("%(thing)s removed"),
    "replay-asked": N_("%(thing)s: to be read again"),
    "requested": N_("%(thing)s asked for"),
    "reviewed": N_("%(thing)s reviewed"),
    "revoked": N_("%(thing)s revoked"),
    "sealed again": N_("%(thing)s: data sealed again"),
    "sent back": N_("%(thing)s sent back"),
    "set": N_("%(thing)s set"),
    "signal-adopted": N_("%(thing)s: signal adopted"),
    "started": N_("%(thing)s started"),
    "taken": N_("%(thing)s taken"),
    "term-set": N_("%(thing)s given another term"),
    "withdrawn": N_("%(thing)s withdrawn"),
    "written": N_("%(thing)s written"),
}
"""What was done with it."""
_FACTS = {
    "name": N_("Name"),
    "sign_in": N_("Sign-in name"),
    "role": N_("Role"),
    "organisation_id": N_("Company"),
    "size_class": N_("Size"),
    "nace": N_("Sector (NACE)"),
    "region": N_("Region (NUTS)"),
    "undertaking": N_("Linked companies"),
    "start": N_("From"),
    "end": N_("To"),
    "state": N_("State"),
    "device_ids": N_("Machines"),
    "price_cents": N_("Price"),
    "reason": N_("Why"),
}
_INNER = frozenset({"version", "engineer_ids"})
"""Facts that say nothing to people."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_LONGEST_VALUE = 120


def deed_in_words(change: AuditEntry) -> str:
    """What was done with which kind of thing, e.g. `Account given a new password`."""
    thing = _(SUBJECTS.get(change.subject, change.subject))
    said = _(DEEDS[change.what], thing=thing) if change.what in DEEDS else f"{thing}: {change.what}"
    return said[:1].upper() + said[1:]


def facts_in_words(change: AuditEntry, organisations: Mapping[str, str]) -> list[str] | None:
    """What was changed of a person or company, e.g. `Role: member → lab engineer`; `None` of anything else.

    Args:
        change: the line of the log.
        organisations: their names, by id.
    """
    if change.subject not in {"account", "organisation"}:
        return None

    def said(fact: str, facts: Mapping[str, Any]) -> str:
        value = facts.get(fact)
        if value in (None, ""):
            return "–"
        return role_name(value) if fact == "role" else organisations.get(value, str(value))

    before, after = change.before or {}, change.after or {}
    return [
        f"{_(_FACTS.get(fact, fact))}: " + (f"{said(fact, before)} → " if change.before else "") + said(fact, after)
        for fact in after
    ]


def differences(change: AuditEntry, zone: str) -> list[str]:
    """What of a thing is otherwise than before, fact by fact; of a new thing, or one that is gone, all its facts.

    Args:
        change: the line of the log.
        zone: of the lab, in which times are written.
    """
    before, after = change.before or {}, change.after or {}
    lines = []
    for fact in dict.fromkeys([*before, *after]):
        was, now = (_value(fact, facts.get(fact), zone) for facts in (before, after))
        if fact in _INNER or was == now:
            continue
        name = _(_FACTS[fact]) if fact in _FACTS else fact.replace("_", " ")
        lines.append(f"{name}: {was} → {now}" if before and after else f"{name}: {now if after else was}")
    return lines


def _value(fact: str, value: Any, zone: str) -> str:
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if fact.endswith("_cents") and isinstance(value, int):
        return price(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    if _INSTANT.match(text):
        return lab_time(datetime.fromisoformat(text), zone)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
