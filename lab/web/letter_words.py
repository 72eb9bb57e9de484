"""Why a message could not be stored, as people read it."""

from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812

LETTER_REASONS = {
    "unknown-device": N_("the lab does not know this machine"),
    "unknown-topic": N_("nobody knows this topic"),
    "unknown-kind": N_("nobody knows this kind of message"),
    "unknown-signal": N_("the machine has no signal of this name"),
    "unknown-metric": N_("the machine has not announced this value"),
    "unsupported-type": N_("values of this type cannot be stored"),
    "wrong-type": N_("another type than the catalogue says"),
    "not-a-choice": N_("none of the words that the signal may be"),
    "other-unit": N_("another unit than the catalogue says"),
    "not-finite": N_("not a number, or infinite"),
    "not-text": N_("a text that cannot be stored"),
    "text-too-long": N_("the text is too long"),
    "impossible-time": N_("a time that cannot be"),
    "no-time": N_("no time is given"),
    "empty": N_("the message is empty"),
    "not-json": N_("the message is no JSON"),
    "not-cbor": N_("the message is no CBOR"),
    "not-utf8": N_("the message is no text"),
    "not-sparkplug": N_("the message is no Sparkplug"),
    "wrong-form": N_("the message has another form than agreed"),
    "too-large": N_("the message is too large"),
    "too-many-boots": N_("the machine starts anew too often"),
    "other-value-stored": N_("another value of the same moment is stored"),
    "other-event-stored": N_("another event with the same number is stored"),
    "store-refused": N_("the store of samples cannot hold it"),
    "recorder-fault": N_("the recorder failed to read it"),
    "further-faults": N_("further values of the same message"),
}
_SHOWN_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"} | {127: 0x2421}


def letter_reason(reason: str) -> str:
    """Why, in words."""
    return _(LETTER_REASONS.get(reason, reason))


def readable(text: str) -> str:
    """A payload with its control characters as visible signs."""
    return text.translate(_SHOWN_CONTROLS)
