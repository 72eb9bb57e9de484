"""The real recording, which lies beside the project and is never copied into it."""

from pathlib import Path

from tests.services.programs import ServiceMissingError

RECORDING = Path(__file__).resolve().parents[3] / "shared" / "data" / "umich_cnc_mill"


def find_recording() -> Path:
    """Its folder.

    Raises:
        ServiceMissingError: if it is not there.
    """
    if not (RECORDING / "train.csv").is_file():
        raise ServiceMissingError("the recording is not there (../shared/data/umich_cnc_mill)")
    return RECORDING
