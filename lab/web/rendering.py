"""From a template to a page."""

import hashlib
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.requests import Request

from devices.units import unit_symbol
from lab.core.settings import Settings
from lab.core.time import from_nanoseconds
from lab.people.principals import Principal
from lab.reports.numbers import format_number
from lab.web import heard_words, watch_words, wording
from lab.web.languages import LANGUAGES, plain, plain_plural, present_language
from lab.web.letter_words import letter_reason
from lab.web.places import places_of

STATIC = Path(__file__).parent / "static"
THEME_COOKIE = "pilotlab_theme"
THEMES = ("light", "dark")


def page(
    request: Request,
    template: str,
    *,
    title: str,
    principal: Principal | None,
    status: int = 200,
    **facts: Any,
) -> HTMLResponse:
    """Fill a template.

    Args:
        request: the request that is answered.
        template: its file name.
        title: of the page.
        principal: who is signed in; `None`: nobody.
        status: of the answer.
        facts: what the template shows.
    """
    settings: Settings = request.app.state.settings
    html = (
        _environment()
        .get_template(template)
        .render(
            title=title,
            principal=principal,
            path=request.url.path,
            here=facts.pop("here", None) or _address_of(request),
            language=present_language(),
            languages=LANGUAGES,
            theme=theme if (theme := request.cookies.get(THEME_COOKIE)) in THEMES else "",
            places=places_of(principal),
            lab_name=settings.lab_name,
            zone=settings.time_zone,
            now=request.app.state.clock.now(),
            steered=settings.steered_clock is not None,
            **facts,
        )
    )
    return HTMLResponse(html, status)


def _address_of(request: Request) -> str:
    """Where to come back to after a choice of language or colours."""
    if request.method != "GET":
        return request.url.path
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def static_address(name: str) -> str:
    """The address of one of our own files; it changes with the content, so that browsers may keep it."""
    return f"/static/{name}?v={_digest(name)}"


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lab.web"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(plain, plain_plural, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["static"] = static_address
    environment.globals["lab_span"] = _lab_span
    environment.filters.update(
        {
            "lab_date": _zoned(wording.lab_date),
            "lab_time": _zoned(wording.lab_time),
            "lab_until": _until,
            "lab_clock": _zoned(wording.lab_clock),
            "lab_second": _zoned(wording.lab_second),
            "field_time": _zoned(wording.field_time),
            "ns_time": _ns_time,
            "ns_length": lambda ns: wording.short_duration(timedelta(microseconds=ns / 1000)),
            "plain_number": lambda value: wording.number_text(format_number(value)),
            "typed_number": wording.typed_number,
            "hours": lambda length: wording.number_text(f"{length.total_seconds() / 3600:.1f}"),
            "share": lambda share: f"{share * 100:.0f}\u00a0%",
            "minutes_long": wording.minutes_long,
            "change_name": wording.change_name,
            "short_duration": wording.short_duration,
            "quantity": wording.quantity,
            "named_value": wording.named_value,
            "price": wording.price,
            "file_size": wording.file_size,
            "unit": unit_symbol,
            "capability_name": wording.capability_name,
            "heard_kind": heard_words.heard_kind,
            "heard_examples": heard_words.heard_examples,
            "heard_range": heard_words.heard_range,
            "heard_rate": heard_words.heard_rate,
            "letter_reason": letter_reason,
            "alarm_text": lambda text: watch_words.unbroken(watch_words.alarm_text(text)),
            "finding_text": lambda text: watch_words.unbroken(watch_words.finding_text(text)),
            "part_name": watch_words.part_name,
            "with_code": _with_code,
            "booking_state": wording.booking_state,
            "pilot_state": wording.pilot_state,
            "alarm_severity": wording.alarm_severity,
            "role": wording.role_name,
            "company_size": wording.company_size,
            "verdict": wording.verdict_name,
            "verdict_key": wording.verdict_key,
        }
    )
    return environment


def _zoned(write: Any) -> Any:
    @pass_context
    def filter_in_zone(context: Context, instant: Any) -> str:
        return str(write(instant, context["zone"]))

    return filter_in_zone


def _with_code(text: str) -> Markup:
    """A sentence in which commands stand between backticks, as a part of a page."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


@pass_context
def _ns_time(context: Context, instant_ns: int) -> str:
    return wording.lab_time(from_nanoseconds(instant_ns), context["zone"])


@pass_context
def _until(context: Context, instant: Any) -> str:
    return wording.lab_until(instant, context["now"], context["zone"])


@pass_context
def _lab_span(context: Context, start: Any, end: Any) -> str:
    return wording.lab_span(start, end, context["zone"])
