"""How right a machine's clock is, in words."""

from sqlalchemy.orm import Session

from lab.web.languages import gettext as _
from lab.web.wording import number_text
from telemetry.queries import clock_offsets

_RIGHT_NS = 1


def clock_words(session: Session, device_id: str) -> str:
    """Of the newest that is known: right, corrected, or not to be trusted; empty: nothing is known yet."""
    newest = max(clock_offsets(session, device_id), key=lambda point: (point.noted_at, point.from_seq), default=None)
    if newest is None:
        return ""
    if newest.uncertain:
        return _("clock: nobody can be sure of it")
    if abs(newest.offset_ns) < _RIGHT_NS:
        return _("clock: right")
    seconds = number_text(f"{abs(newest.offset_ns) / 1e9:.1f}")
    if newest.offset_ns > 0:
        return _("clock: %(seconds)s s behind, corrected", seconds=seconds)
    return _("clock: %(seconds)s s ahead, corrected", seconds=seconds)
