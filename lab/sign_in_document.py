"""What the API's document says about signing in: which ways there are, and which operations need one of them.

It is read off the routes themselves: an operation needs a sign-in if `principal_of` is among its dependencies. So
nothing is asked for twice when a request comes, and nothing has to be remembered when an operation is added.
"""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from lab.people.endpoints import SESSION_COOKIE, principal_of

SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, made by its owner with `POST /api/v1/tokens` or on the pages. The scope `read` "
        "allows GET, `write` everything else; opening accounts, passwords and tokens are for people at a browser.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "What `POST /api/v1/session` sets. Changes must come from the product's own pages (Origin).",
    },
}
"""By name, as OpenAPI has them (Security Scheme Object)."""
EITHER: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]


def document_sign_in(app: FastAPI) -> None:
    """Have the app's document name the ways to sign in, and for each operation whether it needs one."""
    without: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        document = without()
        document.setdefault("components", {})["securitySchemes"] = SCHEMES
        for route in iter_route_contexts(app.routes):
            path = document["paths"].get(getattr(route, "path_format", None), {})
            for method in route.methods or ():
                if operation := path.get(method.lower()):
                    operation["security"] = EITHER if _asks_who(route.dependant) else []
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _asks_who(dependant: Dependant) -> bool:
    return dependant.call is principal_of or any(_asks_who(part) for part in dependant.dependencies)
