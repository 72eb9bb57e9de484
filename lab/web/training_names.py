"""What trainings are called in this lab, so that a rule and what is noted of a person mean the same."""

from sqlalchemy.orm import Session

from bookings.rulebook import repository, trainings
from lab.core.paging import LARGEST_LIMIT, PageWish
from lab.people.principals import Principal


def known_trainings(session: Session, principal: Principal) -> list[str]:
    """Those that a rule asks for or somebody has, by name; for the staff."""
    asked = {name for entry in repository.rule_entries(session) for name in entry.settings.get("qualifications", ())}
    noted = {one.name for one in trainings.page_of_qualifications(session, principal, PageWish(LARGEST_LIMIT)).rows}
    return sorted(asked | noted)
