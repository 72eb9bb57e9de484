"""What goes over HTTP about reports."""

from datetime import date, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lab.core.jobs import Job
from lab.pilots.plans import Prose
from lab.reports.models import Report
from lab.reports.sizing import PilotSize, SizeQuestion
from lab.reports.spread import Spread


class Reasoned(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Prose


class ReportSummary(BaseModel):
    """A report, without what it says."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    pilot_id: str
    number: str
    version: int
    created_at: datetime
    verdict: str
    status: str
    """draft, reviewed or approved."""
    revision: int
    """Counts its changes; the version for If-Match."""
    is_written: bool
    """Whether its files say what it says; a moment after a change they do."""
    pdf_sha256: str
    package_sha256: str

    @classmethod
    def of(cls, report: Report) -> "ReportSummary":
        """From the table's row."""
        return cls.model_validate(report, from_attributes=True)


class ReportAnswer(ReportSummary):
    """A report with everything that it says (`lab.reports.results.Results` as JSON)."""

    results: dict[str, Any]

    @classmethod
    def of(cls, report: Report) -> "ReportAnswer":
        """From the table's row."""
        return cls.model_validate(report, from_attributes=True)


class SealAnswer(BaseModel):
    """The job that seals and reports."""

    job: str
    state: str
    due: datetime
    """Not before this: late messages are waited for."""

    @classmethod
    def of(cls, job: Job) -> "SealAnswer":
        """From the table's row."""
        return cls(job=job.id, state=job.state, due=job.run_at)


class LateArrivalAnswer(BaseModel):
    """A signal of a run of which the store has another number of samples than the sealed data."""

    model_config = ConfigDict(from_attributes=True)

    run: int
    device: str
    signal: str
    sealed: int
    now: int


class LateArrivals(BaseModel):
    """What the newest sealed data do not have."""

    data_set_version: int
    arrivals: list[LateArrivalAnswer]


class SizeRequest(BaseModel):
    """How long a run takes, and how much runs differ where that is known."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    run_minutes: float = Field(gt=0, le=1440)
    reset_minutes: float = Field(default=0, ge=0, le=1440, description="after each run, until the next one can begin")
    setup_minutes: float = Field(default=0, ge=0, le=1440, description="at the beginning of every session")
    longest_session_minutes: int = Field(default=480, ge=5, le=10_080)
    sd: float | None = Field(
        default=None, gt=0, description="of runs of one arm, in the unit of the primary KPI; left out: from history"
    )
    sd_runs: int | None = Field(
        default=None,
        ge=2,
        le=10_000,
        description="from how many runs made in the same way `sd` comes; left out: it is taken as exact",
    )
    power: float = Field(default=0.8, ge=0.5, le=0.99)

    @model_validator(mode="after")
    def _runs_of_a_spread(self) -> Self:
        if self.sd_runs is not None and self.sd is None:
            raise ValueError("sd_runs belongs to sd; leave both out to take the spread from earlier trials")
        return self

    def question(self) -> SizeQuestion:
        """The same for the service."""
        return SizeQuestion(**self.model_dump())


class EarlierTrial(BaseModel):
    """A trial that tells how much runs differ."""

    model_config = ConfigDict(from_attributes=True)

    pilot: str
    day: date | None
    runs: int


class SpreadAnswer(BaseModel):
    """What a company's own earlier runs differed by in the plan's primary KPI, in its unit."""

    sd: float
    sd_runs: int
    degrees_of_freedom: int
    sd_reckoned: float
    """The upper end of what so few runs leave open (80 %): runs are counted with it."""
    source: str
    """In words."""
    trials: list[EarlierTrial]

    @classmethod
    def of(cls, found: tuple[Spread, str]) -> "SpreadAnswer":
        """From what was found."""
        spread, source = found
        return cls(
            sd=spread.sd,
            sd_runs=spread.runs or 0,
            degrees_of_freedom=spread.freedom or 0,
            sd_reckoned=spread.reckoned,
            source=source,
            trials=[EarlierTrial.model_validate(trial) for trial in spread.trials],
        )


class SizeAnswer(BaseModel):
    """How many runs, how long, why, and where to look for slots."""

    runs_per_arm: int | None
    """None: more than anybody would make; `why` says so."""
    runs: int | None
    """Of all arms together."""
    power: float
    """That these runs have."""
    sd: float
    sd_runs: int | None
    """From how many runs the spread comes; None: nobody said, and it is taken as exact."""
    sd_reckoned: float
    """The spread that the runs are counted with: from few runs, the upper end of what they leave open (80 %)."""
    sd_source: str
    sd_pilots: list[str]
    """Numbers of the earlier pilots that the spread comes from."""
    sessions: int | None
    runs_a_session: int | None
    minutes_a_session: int | None
    minutes: int | None
    """To book, all sessions together."""
    why: list[str]
    slots: str | None
    """Address of a slot search for one session (GET)."""

    @classmethod
    def of(cls, found: PilotSize) -> "SizeAnswer":
        """From what was reckoned."""
        time = found.time
        return cls(
            runs_per_arm=found.size.runs_per_arm,
            runs=found.runs,
            power=found.size.power,
            sd=found.spread.sd,
            sd_runs=found.spread.runs,
            sd_reckoned=found.spread.reckoned,
            sd_source=found.source,
            sd_pilots=sorted(trial.pilot for trial in found.spread.trials),
            sessions=None if time is None else time.sessions,
            runs_a_session=None if time is None else time.runs_a_session,
            minutes_a_session=None if time is None else time.minutes_a_session,
            minutes=None if time is None else time.minutes,
            why=list(found.why),
            slots=found.slots,
        )
