"""Packages of others that browsers are given; fetched when the product is built (`hatch_build.py`), served here."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from lab.core.errors import SetupError

_WEB = Path(__file__).parent
VENDOR = _WEB / "static/vendor"
LOCK = _WEB / "package-lock.json"


class VendoredMissingError(SetupError):
    """Style sheets and scripts of others have not been fetched, or are those of another release."""


@dataclass(frozen=True, slots=True)
class Vendored:
    """A package as the about page names it."""

    name: str
    version: str
    licence: str
    """SPDX identifier."""
    author: str
    text: str
    """Of the licence; empty: the package comes without."""
    files: list[str]
    """Below the vendor folder."""


def vendored_packages(vendor: Path = VENDOR, lock: Path = LOCK) -> list[Vendored]:
    """What was fetched.

    Args:
        vendor: the folder that holds it.
        lock: the file that names what it should hold.

    Raises:
        VendoredMissingError: if something is missing, or is not what the lock file names.
    """
    try:
        told = json.loads((vendor / "manifest.json").read_text("utf-8"))
    except OSError:
        raise _missing("manifest.json") from None
    packages = [Vendored(**package) for package in told["packages"]]
    absent = next((file for package in packages for file in package.files if not (vendor / file).exists()), None)
    if absent is not None:
        raise _missing(absent)
    if told["lock"] != hashlib.sha256(lock.read_bytes()).hexdigest():
        raise _missing("the release that package-lock.json names")
    return packages


def require_vendored() -> None:
    """Stop the start of the pages with one clear line if they would stand without style sheet and scripts.

    Raises:
        VendoredMissingError: see `vendored_packages`.
    """
    vendored_packages()


def _missing(what: str) -> VendoredMissingError:
    return VendoredMissingError(
        f"pages: style sheets and scripts that browsers need are missing in {VENDOR} ({what}); "
        "`make setup` fetches them (or install Pilot Lab again with pip), for which npm's registry must be reached once"
    )
