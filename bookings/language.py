"""What mails and invitations say of bookings, in the language of whoever reads them.

English stands in the code, `locales/*.po` hold the other languages; a test keeps them complete.
"""

from pathlib import Path

from lab.core.catalogues import Tongue, marked, present_language, writing_in

__all__ = ["LOCALES", "marked", "present_language", "say", "state_text", "writing_in"]

LOCALES = Path(__file__).parent / "locales"
say = Tongue(LOCALES).say
_STATES = {
    "requested": marked("requested"),
    "confirmed": marked("confirmed"),
    "in_use": marked("in use"),
    "done": marked("done"),
    "cancelled": marked("cancelled"),
    "no_show": marked("no show"),
    "declined": marked("declined"),
    "lapsed": marked("lapsed"),
}


def state_text(state: str) -> str:
    """What a booking is, or ended as."""
    return say(_STATES.get(state, state))
