"""Bringing a question to the lab; nobody needs an account for it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import ValidationError

from lab.core.errors import InvalidError, TooManyError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.principals import Principal
from lab.people.service import get_organisation
from lab.pilots.enquiries import service
from lab.pilots.enquiries.schemas import EnquiryRequest
from lab.web.about_pages import whoever
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.languages import present_language
from lab.web.rendering import page
from lab.web.wording import plain_words, sentence

router = APIRouter()

_FAULTS = {
    "company": N_("Please say which company asks."),
    "contact": N_("Please say who asks."),
    "mail": N_("Please give a mail address for the answer."),
    "question": N_("Please say what you would like to find out."),
}
_FAULT = N_("Please check what you have typed.")
FACTS = ("size_class", "nace", "region")
"""Of a company, for programmes; nobody has to say them."""
Line = Annotated[str, Form(max_length=400)]


@router.get("/ask")
def show_form(request: Request, database: DatabaseDep, clock: ClockDep) -> Response:
    """The form; of whoever is signed in the company is known."""
    principal = whoever(request, database, clock)
    typed = dict.fromkeys(("company", "contact", "mail", "question", *FACTS), "")
    if principal is not None:
        typed["contact"] = principal.name
        if not principal.is_staff:
            with database.read() as session:
                typed["company"] = get_organisation(session, principal, principal.organisation_id).name
    return _page(request, principal, typed)


@router.post("/ask")
def submit_form(
    request: Request,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    company: Line = "",
    contact: Line = "",
    mail: Line = "",
    question: Annotated[str, Form(max_length=10_000)] = "",
    size_class: Line = "",
    nace: Line = "",
    region: Line = "",
) -> Response:
    """Take it in; the answer comes by mail."""
    principal = whoever(request, database, clock)
    given = {"company": company, "contact": contact, "mail": mail, "question": question}
    facts = {"size_class": size_class, "nace": nace.upper(), "region": region.upper()}
    typed = {name: plain_words(text) for name, text in {**given, **facts}.items()}
    problem, status = "", 200
    try:
        known = {name: typed[name] or None for name in FACTS}
        wish = EnquiryRequest.model_validate({**typed, **known, "language": present_language()})
        database.transact(lambda session: service.ask(session, principal, wish, now=clock.now()))
    except ValidationError as error:
        where = str(error.errors()[0]["loc"][0]) if error.errors()[0]["loc"] else ""
        problem, status = _(_FAULTS.get(where, _FAULT)), 422
    except InvalidError as error:
        problem, status = sentence(error.message, settings.time_zone), 422
    except TooManyError as error:
        problem, status = sentence(error.message, settings.time_zone), 429
    return _page(request, principal, typed, problem=problem, sent=not problem, status=status)


def _page(
    request: Request,
    principal: Principal | None,
    typed: dict[str, str],
    *,
    problem: str = "",
    sent: bool = False,
    status: int = 200,
) -> Response:
    return page(
        request,
        "ask.html",
        title=_("Ask the lab a question"),
        principal=principal,
        status=status,
        typed=typed,
        problem=problem,
        sent=sent,
    )
