"""What came after the sealing: kept in the store, listed here, in a report only by a decision to seal again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from lab.people.principals import Principal
from lab.pilots import service as pilots
from lab.reports import repository
from lab.reports.errors import DataSetUnknownError
from lab.reports.gathering import grant_of_company, span_ns
from lab.reports.sealed import SealedRun
from lab.reports.sealing import SealedData, read_data_set
from telemetry import queries
from telemetry.grants import Grant
from telemetry.stores.interface import SampleStore


@dataclass(frozen=True, slots=True)
class LateArrival:
    """A signal of a run of which the store has another number of samples than the newest sealed data."""

    run: int
    device: str
    signal: str
    sealed: int
    now: int


def late_arrivals(
    session: Session, store: SampleStore, principal: Principal, pilot_id: str, *, data_dir: Path
) -> tuple[int, list[LateArrival]]:
    """Compare the newest sealed data of a pilot with what the store has now.

    Args:
        session: to read in.
        store: where samples are.
        principal: who asks.
        pilot_id: the pilot.
        data_dir: the data folder.

    Returns:
        The version of the data set, and the differences, by run, device and signal.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        DataSetUnknownError: if its data are not sealed.
        DataSetAlteredError: if they are not what was sealed.
    """
    pilot = pilots.get_pilot(session, principal, pilot_id)
    data_set = repository.latest_data_set(session, pilot.id)
    if data_set is None:
        raise DataSetUnknownError(f"the data of {pilot.number} are not sealed yet", field="pilot_id", rule="sealed")
    data = read_data_set(data_dir / data_set.folder, manifest_sha256=data_set.manifest_sha256)
    grant = grant_of_company(session, pilot)
    runs = [run for run in data.runs if run.data is not None]
    return data_set.version, [late for run in runs for late in _of_run(data, run, store, grant)]


def _of_run(data: SealedData, run: SealedRun, store: SampleStore, grant: Grant) -> Sequence[LateArrival]:
    sealed = data.counts(run)
    start_ns, end_ns = span_ns(run)
    now = {
        (part.device, signal): count
        for part in run.messages
        if grant.names(part.device)
        for signal, count in queries.count_samples(store, grant, part.device, start_ns, end_ns).items()
    }
    return [
        LateArrival(run.number, device, signal, sealed[device, signal], now.get((device, signal), 0))
        for device, signal in sorted(sealed.keys() | now.keys())
        if sealed[device, signal] != now.get((device, signal), 0)
    ]
