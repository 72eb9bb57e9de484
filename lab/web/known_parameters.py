"""Query parameters that an address of the API does not have are refused: a misspelt filter would answer with all."""

from typing import cast

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from lab.core.errors import InvalidError

_known: dict[tuple[str, str], tuple[str, ...]] = {}
"""By method and address: names of its query parameters, in the order in which it says them."""


class UnknownParameterError(InvalidError):
    """A query parameter that this address does not have. Facts: `field`, `rule`, `known`."""


async def refuse_unknown_parameters(request: Request) -> None:
    """Let pass what asks only for what this address can give.

    Raises:
        UnknownParameterError: naming the parameter and those that there are.
    """
    given = request.query_params.keys()
    if not given or not request.url.path.startswith("/api/"):  # programs that read calendars add what they like
        return
    route = cast(APIRoute, request.scope["route"])
    key = (request.method, route.path)
    if key not in _known:
        fields = get_flat_params(route.dependant)
        _known[key] = tuple(dict.fromkeys(field.alias for field in fields if isinstance(field.field_info, Query)))
    known = _known[key]
    for name in given:
        if name not in known:
            those = f"it has {', '.join(known)}" if known else "it has none"
            raise UnknownParameterError(
                f"there is no query parameter {name[:60]!r} here: {those}",
                field=name[:60] or "query", rule="unknown-parameter", known=list(known),
            )  # fmt: skip
