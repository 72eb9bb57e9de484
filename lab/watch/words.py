"""What alarms say, in mails and on pages, in the language that is written.

They are written down in English, when they are noticed, and said again from these templates. A test holds the templates
against the code that says them, and the catalogues complete.
"""

from pathlib import Path

from lab.core.catalogues import Tongue, present_language
from lab.core.catalogues import marked as N_  # noqa: N812
from lab.core.sayings import Sayings

LOCALES = Path(__file__).parent / "locales"
NUMBERS = frozenset({"value", "limit", "seconds", "size", "share"})
"""Facts that hold a number."""
ALARMS = (
    N_("The state of %(machine)s is %(state)s, one of %(states)s"),
    N_("The state of %(machine)s is %(state)s"),
    N_("%(what)s of %(machine)s is %(value)s, above %(limit)s"),
    N_("%(what)s of %(machine)s is %(value)s, below %(limit)s"),
    N_("%(what)s of %(machine)s changes by %(value)s a second, more than %(limit)s"),
    N_("%(what)s of %(machine)s has sent nothing for more than %(seconds)s s"),
    N_("%(what)s of %(machine)s is %(state)s, one of %(states)s"),
    N_("%(what)s of %(machine)s is %(state)s"),
    N_("%(machine)s works although nobody has booked it"),
    N_("%(machine)s is booked and does nothing"),
    N_("The disk has only %(size)s left: make room; recording stops, without loss, when it is full"),
    N_("The recorder has said nothing for %(seconds)s s: see that it runs"),
    N_("The recorder has a problem: %(problem)s"),
    N_("The recorder is not connected to the broker: see that the broker runs"),
    N_("What machines say is stored %(seconds)s s late: see whether the store keeps up"),
    N_("Machine %(machine)s has refused to stop (%(detail)s): go to the machine and look"),
    N_("Machine %(machine)s has not confirmed that it stopped (%(detail)s): go to the machine and look"),
    N_("it is %(value)s again"),
    N_("it is over"),
    N_("the rule was changed"),
    N_("the rule has ended"),
    N_("the run has ended"),
    N_("by mail: %(count)s"),
)
say = Tongue(LOCALES).say
_ALARMS = Sayings(ALARMS, say, numbers=NUMBERS)


def alarm_text(text: str) -> str:
    """Why an alarm was raised or has cleared; what people wrote stays as it is."""
    if present_language() == "en":
        return text
    return _ALARMS.find(text) or text
