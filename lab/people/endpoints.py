"""Sign-in over HTTP, and who is asking."""

from typing import Annotated

from fastapi import Depends, Request

from lab.core.errors import UnauthenticatedError
from lab.people.principals import Principal


def principal_of(request: Request) -> Principal:
    """Who is asking."""
    raise UnauthenticatedError("please sign in")


PrincipalDep = Annotated[Principal, Depends(principal_of)]
