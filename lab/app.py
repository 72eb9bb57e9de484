"""The web application: which routers there are, and how errors become HTTP."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from bookings.endpoints import router as bookings_router
from bookings.feeds.endpoints import router as feeds_router
from bookings.figures.endpoints import router as figures_router
from bookings.life_endpoints import router as booking_life_router
from bookings.outages.endpoints import router as outages_router
from bookings.prices.endpoints import router as prices_router
from bookings.prices.other_aid_endpoints import router as other_aid_router
from bookings.rulebook.endpoints import router as rules_router
from bookings.rulebook.training_endpoints import router as trainings_router
from bookings.search.endpoints import router as slots_router
from bookings.series.endpoints import router as series_router
from bookings.waitlist.endpoints import router as waitlist_router
from devices.command_endpoints import router as commands_router
from devices.endpoints import router as devices_router
from lab.access.service import grant_for
from lab.checking_endpoints import router as checking_router
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import PilotLabError, UnauthenticatedError
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.people.attempts import FailedAttempts
from lab.people.audit_endpoints import router as audit_router
from lab.people.endpoints import router as people_router
from lab.pilots.documents.endpoints import router as documents_router
from lab.pilots.endpoints import router as pilots_router
from lab.pilots.enquiries.endpoints import router as enquiries_router
from lab.pilots.maturity.endpoints import router as maturity_router
from lab.pilots.notes.endpoints import router as notes_router
from lab.pilots.service import company_of_pilot
from lab.post.endpoints import router as post_router
from lab.preflight.endpoints import router as preflight_router
from lab.reports.afterwards.endpoints import router as afterwards_router
from lab.reports.endpoints import router as reports_router
from lab.reports.links.endpoints import router as report_links_router
from lab.retention.endpoints import router as retention_router
from lab.sign_in_document import document_sign_in
from lab.web.endpoints import router as pages_router
from lab.web.error_pages import error_page, recognise
from lab.web.guards import (
    BodyLimit,
    Compression,
    PlainQueries,
    SameOriginChanges,
    SecurityHeaders,
    UnexpectedErrors,
)
from lab.web.known_parameters import refuse_unknown_parameters
from lab.web.languages import PageLanguage
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.links import sign_in_address, wants_page
from lab.web.metrics import router as metrics_router
from lab.web.rendering import STATIC
from telemetry.alarms.endpoints import router as alarms_router
from telemetry.discovery.endpoints import router as discovery_router
from telemetry.endpoints import router as telemetry_router
from telemetry.history.downloads import DownloadPlaces
from telemetry.history.endpoints import router as history_router
from telemetry.incidents.endpoints import router as incidents_router
from telemetry.letters.endpoints import router as letters_router
from telemetry.stores.interface import SampleStore
from telemetry.times.endpoints import router as times_router

STATUS_OF_KIND = {
    "invalid": 422,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "conflict": 409,
    "stale": 412,
    "too-many": 429,
    "unavailable": 503,
    "setup": 500,
    "error": 500,
}
"""The one table from the kinds of `lab.core.errors` to HTTP."""

_TITLES = {
    400: N_("The request cannot be understood"),
    401: N_("Please sign in"),
    403: N_("This is not allowed"),
    404: N_("This cannot be found"),
    405: N_("This cannot be done here"),
    409: N_("This collides with the present state"),
    412: N_("Somebody was faster"),
    413: N_("The request is too large"),
    422: N_("Something in the request is not right"),
    429: N_("Too often"),
    500: N_("Something went wrong on our side"),
    503: N_("A part of the lab's system does not answer"),
}
_PLAIN_WORDS = {
    "missing": "is needed",
    "extra_forbidden": "is not known here; please leave it out",
    "timezone_aware": "has no time zone; write it with Z or an offset, for example 2026-11-23T08:00:00+01:00",
    "json_invalid": "is not valid JSON",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be an object with named fields",
    "model_attributes_type": "must be an object with named fields",
    "none_required": "must be left out or null",
    "string_pattern_mismatch": "has characters that are not possible here, or is empty or too long",
}
"""Pydantic's most frequent findings as somebody without Python reads them."""
_NOBODY_SPEAKS_OF = re.compile(r"^(?:input|string|value|list|dictionary) (?=should )")
"""The field is named before it: `title should have at most 200 characters`."""
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Names the error for programs."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence: the fact and, where there is one, the way out."},
        "field": {"type": "string", "description": "What of the request is not right."},
        "rule": {"type": "string", "description": "Short and stable name of what it breaks."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "rule", "message")},
            },
        },
    },
    "additionalProperties": True,
}


def create_app(
    *,
    settings: Settings,
    database: Database,
    clock: Clock,
    store: SampleStore | None,
    live: Any,
    recorder: Any = None,
    broker: BrokerAddress | None = None,
) -> FastAPI:
    """Wire the web application; what it is given is started and stopped by whoever gives it.

    Args:
        settings: of the installation.
        database: the relational store, migrated.
        clock: the lab's clock.
        store: where samples are read from.
        live: the `telemetry.live.hub.LiveHub` behind the live pages.
        recorder: the `telemetry.recorder.Recorder` if it runs in this process; asked by `/readyz`.
        broker: where machines are reached; without it they cannot be asked anything.
    """
    app = FastAPI(
        title="Pilot Lab",
        summary="Slots on shared machines, their data, and a report a company can decide by.",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # the usual page loads scripts from elsewhere
        redoc_url=None,
        responses={
            "4XX": {
                "description": "What is wrong, and the way out (RFC 9457)",
                "content": {"application/problem+json": {"schema": _PROBLEM_SCHEMA}},
            }
        },
    )
    state = app.state
    state.settings, state.database, state.clock = settings, database, clock
    state.store, state.live, state.recorder = store, live, recorder
    state.failed_attempts, state.grant_maker = FailedAttempts(), grant_for
    state.company_of_pilot, state.downloads = company_of_pilot, DownloadPlaces()
    state.broker_address, state.unwritten_alarms = broker, None
    _include_routers(app)
    document_sign_in(app)
    _answer_errors(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, answer=_answer, largest_file=settings.largest_document_bytes)
    app.add_middleware(PlainQueries, answer=_answer)
    app.add_middleware(SameOriginChanges, answer=_answer, public_url=settings.public_url)
    app.add_middleware(UnexpectedErrors, answer=_answer)
    app.add_middleware(PageLanguage)
    app.add_middleware(Compression)
    app.add_middleware(SecurityHeaders, https=urlsplit(settings.public_url or "").scheme == "https")
    return app


def _include_routers(app: FastAPI) -> None:
    for router in (
        people_router,
        post_router,
        audit_router,
        devices_router,
        checking_router,
        commands_router,
        bookings_router,
        booking_life_router,
        series_router,
        waitlist_router,
        outages_router,
        slots_router,
        figures_router,
        feeds_router,
        prices_router,
        other_aid_router,
        rules_router,
        trainings_router,
        telemetry_router,
        times_router,
        letters_router,
        incidents_router,
        discovery_router,
        history_router,
        alarms_router,
        preflight_router,
        pilots_router,
        enquiries_router,
        maturity_router,
        documents_router,
        notes_router,
        reports_router,
        afterwards_router,
        report_links_router,
        retention_router,
    ):
        app.include_router(router, dependencies=[Depends(refuse_unknown_parameters)])
    app.include_router(metrics_router)
    app.include_router(pages_router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _answer_errors(app: FastAPI) -> None:
    def domain_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, PilotLabError)
        if isinstance(error, UnauthenticatedError) and wants_page(request) and request.url.path != "/sign-in":
            return RedirectResponse(sign_in_address(request), 303)
        if wants_page(request) and STATUS_OF_KIND[error.kind] < 500:
            recognise(request)
        return _answer(request, STATUS_OF_KIND[error.kind], error.message, error)

    def invalid_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [_in_plain_words(fault) for fault in error.errors()]
        if found[0]["field"] == "body" and "json" not in request.headers.get("content-type", ""):
            found[0]["message"] += ", as JSON (Content-Type: application/json)"
        detail = "; ".join(f"{fault['field']} {fault['message']}" for fault in found)
        if wants_page(request):
            recognise(request)
            return error_page(request, 422, _TITLES[422], detail)
        first = {name: found[0][name] for name in ("field", "rule")}
        return _problem(422, "invalid-request", detail, {**first, "errors": found})

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        details = {
            404: "There is nothing at this address; check it, or start again from the first page.",
            405: f"{request.method} is not possible at this address.",
        }
        if wants_page(request) and error.status_code < 500:
            recognise(request)
        response = _answer(request, error.status_code, details.get(error.status_code, str(error.detail)), None)
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(PilotLabError, domain_error)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(HTTPException, http_error)


def _answer(request: Request, status: int, detail: str, error: Exception | None) -> Response:
    facts = error.facts if isinstance(error, PilotLabError) else {}
    if wants_page(request):
        response = error_page(request, status, _title(status), detail)
    else:
        name = type(error).__name__ if error is not None else ""
        response = _problem(status, _kebab(name) or str(status), detail, facts)
    if "retry_after_seconds" in facts:
        response.headers["Retry-After"] = str(facts["retry_after_seconds"])
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _problem(status: int, name: str, detail: str, facts: Mapping[str, Any]) -> Response:
    body = {
        **jsonable_encoder(facts),
        "type": f"urn:pilotlab:problem:{name}",
        "title": _title(status),
        "status": status,
        "detail": detail,
    }
    # Whatever a request held may be told again in its refusal; half a character cannot be sent as it came.
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(text, status, media_type="application/problem+json")


def _title(status: int) -> str:
    return _TITLES.get(status, "This did not work")


def _kebab(class_name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", class_name.removesuffix("Error")).lower()


def _in_plain_words(fault: Mapping[str, Any]) -> dict[str, str]:
    place: Sequence[Any] = fault["loc"]
    inside = [str(part) for part in place[1:] if not (fault["type"] == "json_invalid" and isinstance(part, int))]
    message = _PLAIN_WORDS.get(fault["type"])
    if message is None:
        message = fault["msg"].removeprefix("Value error, ")
        message = _NOBODY_SPEAKS_OF.sub("", message[:1].lower() + message[1:])
    return {"field": ".".join(inside) or str(place[0]), "rule": fault["type"].replace("_", "-"), "message": message}
