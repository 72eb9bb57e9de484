"""What this program is, and what of others it stands on, with their licences."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lab.core.errors import UnauthenticatedError
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import principal_of
from lab.people.principals import Principal
from lab.web.languages import gettext as _
from lab.web.rendering import page
from lab.web.vendored import vendored_packages

router = APIRouter()

_OURS = "pilotlab"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_LICENCE = 60


@dataclass(frozen=True, slots=True)
class Library:
    """A Python package that the program stands on."""

    name: str
    version: str
    licence: str


@router.get("/about")
def show_about(request: Request, database: DatabaseDep, clock: ClockDep) -> Response:
    """Open to all, as licences ask for."""
    version, libraries = python_libraries()
    return page(
        request,
        "about.html",
        title=_("About this program"),
        principal=whoever(request, database, clock),
        version=version,
        packages=vendored_packages(),
        libraries=libraries,
    )


def whoever(request: Request, database: DatabaseDep, clock: ClockDep) -> Principal | None:
    """Who is signed in, on a page that is open to all."""
    try:
        return principal_of(request, database, clock)
    except UnauthenticatedError:
        return None


@cache
def python_libraries() -> tuple[str, list[Library]]:
    """Our own version, and what we need directly, by name, as it is installed."""
    ours = distribution(_OURS)
    names = sorted({found[0] for line in ours.requires or [] if (found := _NAME.match(line))}, key=str.lower)
    libraries = []
    for name in names:
        try:
            told = distribution(name)
        except PackageNotFoundError:
            continue  # needed on other systems only
        libraries.append(Library(name, told.version, _licence(told.metadata)))
    return ours.version, libraries


def _licence(metadata: object) -> str:
    """SPDX expression where there is one, else what the package says in its own words, if that is short."""
    get, get_all = metadata.get, metadata.get_all  # type: ignore[attr-defined]
    if expression := get("License-Expression"):
        return str(expression)
    classified = [line.rpartition(" :: ")[2] for line in get_all("Classifier") or [] if line.startswith("License ::")]
    if classified:
        return ", ".join(classified)
    return str(get("License") or "").partition("\n")[0][:_LONGEST_LICENCE]
