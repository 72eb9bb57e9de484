"""What holds where a field of the rules is left empty, as the form shows it in grey."""

from collections.abc import Mapping
from datetime import timedelta

from bookings.opening import WEEKDAYS, OpeningHours
from bookings.rulebook.answers import CalendarAnswer, QuotaAnswer
from bookings.rulebook.book import Rulebook
from bookings.rulebook.targets import Target
from bookings.rules import Quota, Rules
from devices.models import Device
from lab.web.languages import gettext as _
from lab.web.rule_forms import rules_as_typed

_MINUTE = timedelta(minutes=1)
_QUOTAS = ("week_quota_minutes", "pilot_quota_minutes", "most_concurrent", "most_open")


def inherited_rules(
    book: Rulebook, target: Target, device: Device | None, device_names: Mapping[str, str]
) -> dict[str, str]:
    """By field of the form what bookings are judged by where nothing is set at `target`.

    Args:
        book: all rules.
        target: which entry the form is about.
        device: the machine of that entry; None: the whole lab.
        device_names: id → name.
    """
    outer = book.without(target.scope.value, target.name)
    rules = outer.rules_of(device.id, device.kind) if device else outer.rules_of("", "")
    needed = ", ".join(sorted(device_names.get(device_id, device_id) for device_id in rules.needs))
    return {
        **_numbers(rules, device),
        **{name: _own_limit(name, rules.quotas) for name in _QUOTAS},
        "approval": _("yes") if rules.approval else _("no"),
        "supervision": _("yes") if rules.supervision else _("no"),
        **_calendar(rules.calendars[0]),
        "qualifications": ", ".join(sorted(rules.qualifications)) or _("none"),
        "needs_devices": needed or _("none"),
    }


def _numbers(rules: Rules, device: Device | None) -> dict[str, str]:
    lengths = {
        "lead_minutes": rules.lead,
        "shortest_minutes": rules.shortest,
        "longest_minutes": rules.longest,
        "approval_lapses_minutes": rules.approval_lapses,
        "cancel_deadline_minutes": rules.cancel_deadline,
    }
    shown = {name: str(length // _MINUTE) for name, length in lengths.items()}
    shown["horizon_days"] = str(rules.horizon.days)
    shown["granularity_minutes"] = str(rules.granularity // _MINUTE) if rules.granularity else _("any minute")
    shown["check_in_minutes"] = _("never") if rules.check_in is None else str(rules.check_in // _MINUTE)
    for name, ruled in (("setup_minutes", rules.setup), ("cleanup_minutes", rules.cleanup)):
        if ruled is not None:
            shown[name] = str(ruled // _MINUTE)
        else:
            shown[name] = str(getattr(device, name)) if device else _("each machine’s own")
    return shown


def _own_limit(name: str, quotas: tuple[Quota, ...]) -> str:
    """Limits add up, so those of the lab and of the class are told with what they count."""
    answers = [QuotaAnswer.of(quota) for quota in quotas]
    told = [
        f"{getattr(one, name)} ({one.name or _('the whole lab')})" for one in answers if getattr(one, name) is not None
    ]
    return ", ".join(told) or _("no limit")


def _calendar(calendar: OpeningHours) -> dict[str, str]:
    shown = rules_as_typed(CalendarAnswer.of(calendar).model_dump(mode="json"))
    days = {f"hours_{day}": shown.get(f"hours_{day}", _("closed")) for day in WEEKDAYS}
    return {
        **days,
        "holidays": shown["holidays"],
        "closed_days": shown["closed_days"] or _("none"),
        "special_days": shown["special_days"] or _("none"),
    }
