"""What alarms and the check before a booking say, in the language of the page.

They are written down in English, when they are noticed; pages say them from these templates, those of alarms from
`lab.watch.words`. A test holds the templates against the code that says them.
"""

import re

from devices.units import SYMBOLS
from lab.core.catalogues import writing_in
from lab.core.sayings import Sayings
from lab.watch import words
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.languages import plain, present_language

FINDINGS = (
    N_("has not been heard"),
    N_("sends, but has never said that it has started"),
    N_("let it say so whenever it connects"),
    N_("see that it is switched on and has its password"),
    N_("is offline"),
    N_("switch it on, and see that it reaches the broker"),
    N_("is online"),
    N_("%(signal)s has not come for a minute; nobody has said how often it should"),
    N_("let the machine say it once, or give its interval"),
    N_("%(signal)s: %(count)s of %(expected)s values in the last minute"),
    N_("see that the machine runs its program and sends this signal"),
    N_("see how often the machine sends it, and whether its connection is good"),
    N_("%(well)s of %(total)s signals arrive"),
    N_("see the lines below"),
    N_("%(count)s values of the last minute have a time that nobody can be sure of"),
    N_("set the machine's clock and restart it; else an engineer must assign these values to a time"),
    N_("its clock is not known yet"),
    N_("wait for its first values"),
    N_("its clock is right within a second"),
    N_("its clock is %(seconds)s s behind; that is corrected"),
    N_("its clock is %(seconds)s s ahead; that is corrected"),
    N_("set its clock when it is convenient"),
    N_("no recorder runs"),
    N_("start `pilotlab up` or `pilotlab recorder`"),
    N_("runs and is connected"),
    N_("The recorder has said nothing for %(seconds)s s"),
    N_("see that it runs"),
    N_("The recorder has a problem"),
    N_("The recorder is not connected to the broker"),
    N_("see that the broker runs"),
    N_("What machines say is stored %(seconds)s s late"),
    N_("what machines say is stored %(seconds)s s late"),
    N_("see whether the store keeps up"),
    N_("wait until it has caught up, or see what slows the store"),
    N_("the spool holds %(size)s MiB, %(share)s of what it may"),
    N_("see that the store answers: the spool is emptied into it"),
    N_("%(size)s GiB free"),
    N_("The disk has only %(size)s left"),
    N_("make room; recording stops, without loss, when it is full"),
    N_("none is open on these machines"),
    N_("see the alarm, and clear its cause"),
    N_("see that the store of samples runs"),
    N_("the analysis plan is not locked yet"),
    N_("lock it before the first run; afterwards nobody changes it unseen"),
    N_("the analysis plan needs %(machines)s, which is not booked"),
    N_("book it for the same time"),
    N_("is locked, and everything that it needs is booked"),
    N_("this program knows no broker"),
    N_("see `pilotlab doctor`"),
    N_("see that the broker runs and that its address is right"),
    N_("passes on enough messages at once"),
    N_("passes on only %(count)s messages at once (in-flight window)"),
    N_("set its window to 2000 (Mosquitto: max_inflight_messages 2000)"),
    N_("takes only %(count)s messages at once"),
    N_("raise its receive maximum: machines wait for it"),
    N_("takes packets of %(bytes)s bytes at most, messages may have %(most)s"),
    N_("raise its largest packet size"),
    N_("keeps messages for the recorder while it is away"),
    N_("forgets a client that is away: what machines send while the recorder restarts is lost"),
    N_("let it keep sessions (MQTT 5: session expiry; Mosquitto does by itself)"),
    N_("is amqtt inside this program, for demonstrations only"),
    N_("install Mosquitto"),
    N_("keeps messages across its own restarts"),
    N_("nobody has said whether it keeps messages across its own restarts"),
    N_("look into its configuration and set PILOTLAB_BROKER_PERSISTENCE to true or false"),
    N_("loses what it holds when it restarts"),
    N_("switch persistence on (Mosquitto: persistence true, autosave_interval 5)"),
    N_("keeps only %(count)s messages while the recorder is away"),
    N_("keeps only %(count)s messages while the recorder is away, which lasts %(time)s"),
    N_("keeps more than %(count)s messages while the recorder is away; how many more is not known"),
    N_("keeps %(size)s MiB of messages while the recorder is away"),
    N_("keeps %(size)s MiB of messages while the recorder is away, which lasts %(time)s"),
    N_("give it room (Mosquitto: max_queued_messages 0 and max_queued_bytes 1073741824)"),
)
PARTS = {
    "recorder": N_("recorder"),
    "spool": N_("spool"),
    "disk": N_("disk"),
    "alarms": N_("open alarms"),
    "store": N_("store of samples"),
    "plan": N_("analysis plan"),
    "broker": N_("message broker"),
}
_TIMES = (N_("about %(number)s minutes"), N_("%(number)s hours"), N_("%(number)s s"))
_FINDINGS = Sayings(FINDINGS, plain, numbers=words.NUMBERS)
_LASTING = Sayings(_TIMES, plain)
_UNITS = sorted({*filter(None, SYMBOLS.values()), "kB", "MB", "GB", "MiB", "GiB"}, key=len, reverse=True)
_BEFORE_UNIT = re.compile(rf"(?<=\d) (?=(?:{'|'.join(map(re.escape, _UNITS))})(?!\w))")


def alarm_text(text: str) -> str:
    """Why an alarm was raised or has cleared; what people wrote stays as it is."""
    with writing_in(present_language()):
        return words.alarm_text(text)


def finding_text(text: str) -> str:
    """A line of the check before a booking, or what to do about it."""
    if present_language() == "en":
        return text
    before, comma, time = text.partition(", which lasts ")
    if comma and (said := _LASTING.find(time)) is not None:
        text = f"{before}{comma}{said}"
    return _FINDINGS.find(text) or alarm_text(text)


def unbroken(text: str) -> str:
    """The same with each number on one line with its unit: `6.9 kW`, `180 s`."""
    return _BEFORE_UNIT.sub("\u00a0", text)


def part_name(part: str) -> str:
    """Which part a line is about; a machine has its own name."""
    return _(PARTS.get(part, part))
