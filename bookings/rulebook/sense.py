"""Whether rules make sense together: pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from bookings.rulebook.book import Booked, Rulebook
from bookings.rulebook.errors import RuleInvalidError
from bookings.rules import MOST_DEVICES, Rules, length

_DAY = timedelta(days=1)


def require_sense(devices: Sequence[Booked], before: Rulebook, after: Rulebook) -> None:
    """Refuse rules under which a device could not be booked any more.

    Args:
        devices: those in service.
        before: the rules as they are; what is wrong with them already is no reason to refuse.
        after: as they would be.

    Raises:
        RuleInvalidError: naming the device and what contradicts itself.
    """
    by_id = {device.id: device for device in devices}
    for device in devices:
        fault = _fault(device, by_id, after)
        if fault is not None and _fault(device, by_id, before) is None:
            field, rule, fact = fault
            raise RuleInvalidError(
                f"{device.id} could not be booked any more: {fact}", field=field, rule=rule, device_id=device.id
            )


def require_other_devices(needs: Collection[str], device_id: str) -> None:
    """Refuse that a device needs itself.

    Raises:
        RuleInvalidError: it does.
    """
    if device_id in needs:
        raise RuleInvalidError(
            f"{device_id} is booked with itself anyway; leave it out",
            field="needs_devices",
            rule="needs-other-device",
            device_id=device_id,
        )


def _fault(device: Booked, by_id: Mapping[str, Booked], book: Rulebook) -> tuple[str, str, str] | None:
    """(field, rule, fact) of what keeps a device, with all others that it needs, from being booked."""
    needs = book.joint([device]).needs - {device.id}
    if len(needs) >= MOST_DEVICES:
        fact = f"it needs {len(needs)} others, and a booking holds {MOST_DEVICES} at most"
        return "needs_devices", "most-devices", fact
    together = [device, *(by_id[needed] for needed in sorted(needs) if needed in by_id)]
    return _contradiction(book.joint(together))


def _contradiction(rules: Rules) -> tuple[str, str, str] | None:
    if rules.shortest > rules.longest:
        fact = f"bookings last {length(rules.shortest)} at least and {length(rules.longest)} at most"
        return "shortest_minutes", "shortest-up-to-longest", fact
    step = rules.granularity
    if step and not _DAY % step:
        fitting = max(step, -(-rules.shortest // step) * step)
        if fitting > rules.longest:
            fact = f"in steps of {length(step)} none lasts {length(rules.longest)} or less"
            if rules.shortest:
                fact += f" and {length(rules.shortest)} or more"
            return "granularity_minutes", "granularity-fits", fact
    if rules.lead + rules.shortest >= rules.horizon:
        fact = f"bookings are made {length(rules.lead)} ahead at least and {rules.horizon.days} days at most"
        return "lead_minutes", "lead-within-horizon", fact
    return None
