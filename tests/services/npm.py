"""Foreign programs from npm, fetched for a test run into a folder of its own; nothing of them is in the repository."""

import shutil
from pathlib import Path

from hatch_build import FetchError, fetch_packages, node_and_npm
from tests.services.programs import ServiceMissingError

PEERS = Path(__file__).resolve().parents[1] / "peers"


def fetch_peers(folder: Path) -> tuple[Path, Path]:
    """Fetch what `tests/peers/package-lock.json` names, and nothing else.

    Returns:
        The program node, and the folder with the peers' scripts and packages.

    Raises:
        ServiceMissingError: if node is not installed, or the packages cannot be fetched here.
    """
    try:
        node, _ = node_and_npm()
        shutil.copytree(PEERS, folder, dirs_exist_ok=True)
        fetch_packages(folder)
    except FetchError as error:
        raise ServiceMissingError(f"npm peers: {error}") from error
    return node, folder
