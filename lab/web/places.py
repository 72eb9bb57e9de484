"""Where each role can go: the main navigation."""

from lab.people.principals import Principal, Role
from lab.web.languages import gettext as _


def places_of(principal: Principal | None) -> list[tuple[str, str]]:
    """Addresses and names, the first page first; nobody who is not signed in can go anywhere."""
    if principal is None:
        return []
    if principal.role is Role.RECIPIENT:
        return [("/", _("Reports"))]
    places = [("/", _("Today") if principal.is_staff else _("Overview")), ("/machines", _("Machines"))]
    places += [("/bookings", _("Bookings")), ("/pilots", _("Pilots"))]
    if principal.is_staff:
        places += [("/alarms", _("Alarms")), ("/manage", _("Manage"))]
    return places
