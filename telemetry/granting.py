"""The grant of whoever asks over HTTP; apart from `telemetry.grants`, since a recorder answers nobody."""

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from lab.core.http import DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from telemetry.grants import Grant

GrantMaker = Callable[[Session, Principal], Grant]
"""What `lab.app` puts on `app.state.grant_maker`: `lab.access.service.grant_for`."""


def grant_of(request: Request, principal: PrincipalDep, database: DatabaseDep) -> Grant:
    """The grant of whoever asks, as a FastAPI dependency."""
    maker = cast(GrantMaker, request.app.state.grant_maker)
    with database.read() as session:
        return maker(session, principal)


GrantDep = Annotated[Grant, Depends(grant_of)]
