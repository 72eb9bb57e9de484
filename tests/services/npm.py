"""Foreign programs from npm, fetched for a test run into a folder of its own; nothing of them is in the repository."""

import shutil
import subprocess
from pathlib import Path

from tests.services.programs import ServiceMissingError, find_program

PEERS = Path(__file__).resolve().parents[1] / "peers"
_FETCH_SECONDS = 90


def fetch_peers(folder: Path) -> tuple[Path, Path]:
    """Fetch what `tests/peers/package-lock.json` names, and nothing else.

    Returns:
        The program node, and the folder with the peers' scripts and packages.

    Raises:
        ServiceMissingError: if node or npm is not installed, or the packages cannot be fetched here.
    """
    node, npm = find_program("node"), find_program("npm")
    if node is None or npm is None:
        raise ServiceMissingError("npm peers: node and npm are not installed")
    shutil.copytree(PEERS, folder, dirs_exist_ok=True)
    command = [
        npm,
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--fetch-retries=1",
        "--fetch-timeout=20000",
    ]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ServiceMissingError(f"npm peers: not fetched within {_FETCH_SECONDS} s") from error
    if done.returncode:
        raise ServiceMissingError(f"npm peers: cannot be fetched here: {done.stderr.strip()[-200:]}")
    return node, folder
