"""What a company is asked by mail some months after its report, in the present language."""

from collections.abc import Collection

from lab.pilots.models import Pilot
from lab.reports.language import say as _


def write_reminder(name: str, pilot: Pilot, months: int, wanted: Collection[str]) -> tuple[str, str]:
    """Subject and text of the mail.

    Args:
        name: of whoever gets it.
        pilot: what it is about.
        months: since its report.
        wanted: `invested`, `T2` or both.
    """
    ask = _("{months} months after pilot {number}: did you invest?", months=months, number=pilot.number)
    mature = _("{months} months after pilot {number}: how digital are you now?", months=months, number=pilot.number)
    paragraphs = [
        _("Dear {name},", name=name),
        _("{months} months ago the report on “{title}” was approved.", months=months, title=pilot.title),
    ]
    if "invested" in wanted:
        paragraphs.append(_("Did you invest, how much, and where did the money come from?"))
    if "T2" in wanted:
        paragraphs.append(
            _("Please fill in the questionnaire on digital maturity once more (T2); it shows what has changed.")
        )
    paragraphs.append(
        _(
            "Please tell us under pilot {number}, or answer this mail. It helps the lab to help others.",
            number=pilot.number,
        )
    )
    return ask if "invested" in wanted else mature, "\n\n".join(paragraphs) + "\n"
