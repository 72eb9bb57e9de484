"""Settings: environment `PILOTLAB_…` over `pilotlab.toml` over the defaults below.

A wrong setting stops the start with one line that names it.
"""

import difflib
import os
import re
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SettingsSourceError

from lab.core.catalogues import Language
from lab.core.errors import SetupError

_VARIABLES_OF_OTHERS = ("PILOTLAB_SIMULATORS_", "PILOTLAB_REQUIRE_SERVICES")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
MAIL_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
"""Addresses of the plain form (RFC 5321, dot-string and domain); no other can hide anything."""


class SettingsError(SetupError):
    """A setting is missing, unknown or of the wrong form."""


class Settings(BaseSettings):
    """Everything an installation can choose. The docstring under a field is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix="PILOTLAB_", extra="forbid", toml_file="pilotlab.toml", use_attribute_docstrings=True
    )

    data_dir: Path = Path("data")
    """Folder for everything the embedded system stores."""

    lab: str = Field("gliwice", pattern=r"^[a-z0-9-]{1,40}$")
    """Short name of the lab: the second level of every MQTT topic."""

    lab_name: str = "Competence Centre for Industry 4.0, Gliwice"
    """Name of the lab as people read it."""

    lab_address: str = Field("", max_length=200)
    """Where the lab is and how to reach it, on one line; reports print it (ISO/IEC 17025, 7.8.2.1)."""

    time_zone: str = "Europe/Warsaw"
    """IANA zone of the lab; used for opening hours, pages, mails and calendars only."""

    language: Language = "en"
    """Language of mails to people who have chosen none on the pages: `en` or `pl`."""

    opening_hours: dict[str, str] = {
        "mon": "07:00-19:00",
        "tue": "07:00-19:00",
        "wed": "07:00-19:00",
        "thu": "07:00-19:00",
        "fri": "07:00-19:00",
    }
    """Opening hours by weekday (mon … sun) in the lab's zone, `HH:MM-HH:MM`, several separated by commas; a day left
    out is closed."""

    holidays: str = "PL"
    """Country, and perhaps region, whose public holidays the lab keeps, such as `PL` or `PL-24`; empty: none."""

    host: str = "127.0.0.1"
    """Address the web pages are served on."""

    port: int = Field(8000, ge=0, le=65535)
    """Port of the web pages; 0 takes a free one."""

    public_url: str | None = None
    """Address by which people reach the pages (behind a proxy); checked against the Origin of changes."""

    database_url: str | None = None
    """SQLAlchemy address of PostgreSQL; empty: SQLite in the data folder."""

    broker: Literal["auto", "mosquitto", "amqtt", "external"] = "auto"
    """MQTT broker: `mosquitto` as a child of this program, `amqtt` inside it (demonstration and training only),
    `external` for one that runs elsewhere, `auto` for Mosquitto where it is installed, else amqtt."""

    broker_host: str = "127.0.0.1"
    """Where an external broker answers, or where the own one listens."""

    broker_port: int = Field(1883, ge=0, le=65535)
    """Port of the broker; 0 takes a free one (own broker only)."""

    broker_username: str | None = None
    """Sign-in name of the product at an external broker."""

    broker_password: SecretStr | None = None
    """Password of the product at an external broker."""

    broker_version: Literal[4, 5] = 5
    """MQTT version spoken with an external broker: 4 is MQTT 3.1.1, 5 is MQTT 5."""

    broker_tls_ca: Path | None = None
    """Certificate authority of an external broker; set: TLS is used."""

    store: Literal["duckdb", "influxdb"] = "duckdb"
    """Where samples are kept."""

    influxdb_url: str = "http://127.0.0.1:8086"
    """Address of InfluxDB 2."""

    influxdb_token: SecretStr | None = None
    """Token with read and write on the bucket."""

    influxdb_org: str = "pilotlab"
    """Organisation in InfluxDB."""

    influxdb_bucket: str = "pilotlab"
    """Bucket in InfluxDB."""

    duckdb_memory_limit: str = Field("128MB", pattern=r"^[0-9]+(MB|GB)$")
    """Most memory that DuckDB takes for buffers and sorting; more makes large compactions and exports faster."""

    spool_max_bytes: int = Field(8 * 1024**3, ge=64 * 1024**2)
    """Size beyond which the spool forgets messages that are surely stored before their time."""

    spool_keep_hours: float = Field(24, gt=0)
    """How long the spool keeps messages after a verified checkpoint of the store has them."""

    backup_dir: Path | None = None
    """Where backups of samples, database and files go; empty: `backups` in the data folder."""

    backup_every_hours: float = Field(24, ge=0)
    """How often a backup is made while the recorder runs; 0: only when asked to."""

    backups_kept: int = Field(2, ge=1)
    """How many backups are kept."""

    low_disk_bytes: int = Field(2 * 1024**3, ge=0)
    """Free space below which an alarm is raised."""

    recorder_http_port: int = Field(0, ge=0, le=65535)
    """Port on which `pilotlab recorder` answers /healthz, /readyz and /metrics; 0: none."""

    recorder_http_host: str = "127.0.0.1"
    """Address of that port."""

    sparkplug_group: str | None = Field(None, pattern=r"^[^+#/]{1,100}$")
    """Sparkplug group whose edge nodes are recorded; empty: Sparkplug is not spoken."""

    sparkplug_host_id: str = Field("pilotlab", pattern=r"^[^+#/]{1,100}$")
    """Name of this host application in Sparkplug."""

    dead_letters_per_device: int = Field(1000, ge=1)
    """How many dead letters of a device are kept whole; beyond, they are counted."""

    seal_settling_minutes: float = Field(10, ge=0)
    """How long after the end of a pilot's last slot its data are sealed, so that late messages are in."""

    retention_days: int | None = Field(None, ge=1)
    """How long samples are kept where no manager has set anything; empty: for ever."""

    broker_persistence: bool | None = None
    """Whether an external broker keeps messages across its restarts; empty: not known, and pre-flight says so."""

    smtp_host: str | None = None
    """Server that takes the product's mails; empty: none is sent, and each is kept, marked `off`."""

    smtp_port: int = Field(587, ge=1, le=65535)
    """Port of the mail server: usually 587 with `starttls`, 465 with `tls`, 25 with `none`."""

    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the way to the mail server is protected; its certificate is checked."""

    smtp_username: str | None = None
    """Sign-in name of the product at the mail server; empty: it takes mail without."""

    smtp_password: SecretStr | None = None
    """Password of the product at the mail server."""

    mail_from: str | None = None
    """Whom mails come from: an address, or `Name <address>`."""

    webhook_private_addresses: bool = False
    """Whether webhooks may go to this computer and to private networks, also without TLS; for training and closed
    networks only: whoever may make a webhook can then reach what listens there."""

    steered_clock: Path | None = None
    """File that steers the lab's clock; for demonstrations and training, and every page says so."""

    log_format: Literal["console", "json"] = "console"
    """How log lines look."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is still written."""

    largest_document_bytes: int = Field(20_000_000, ge=1000)
    """Largest document or photo that a pilot takes."""

    max_payload_bytes: int = Field(262_144, ge=1024)
    """Largest MQTT payload taken; a larger one becomes a dead letter."""

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"'{value}' is no IANA time zone; 'Europe/Warsaw' is one") from error
        return value

    @field_validator("smtp_host", "smtp_username", "smtp_password", "mail_from", "sparkplug_group", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value  # compose.yaml hands on what is not set as an empty text

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not (value.isprintable() and MAIL_ADDRESS.fullmatch(parseaddr(value)[1])):
            raise ValueError(f"{value!r} is no mail address; 'Pilot Lab <lab@example.org>' is one")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> "Settings":
        if self.store == "influxdb" and self.influxdb_token is None:
            raise ValueError("store 'influxdb' needs influxdb_token")
        if self.smtp_host is not None and self.mail_from is None:
            raise ValueError("smtp_host needs mail_from, the address that mails come from")
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise ValueError("smtp_username and smtp_password belong together; set both or neither")
        return self

    @property
    def sqlalchemy_url(self) -> str:
        """Address of the relational store."""
        return self.database_url or f"sqlite:///{self.sqlite_path}"

    @property
    def sqlite_path(self) -> Path:
        """File of the embedded relational store."""
        return self.data_dir / "pilotlab.sqlite"

    @property
    def duckdb_path(self) -> Path:
        """File of the embedded sample store."""
        return self.data_dir / "samples.duckdb"

    @property
    def spool_path(self) -> Path:
        """File of the recorder's spool."""
        return self.data_dir / "spool.sqlite"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, `pilotlab.toml`."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**overrides: object) -> Settings:
    """Read the settings.

    Args:
        overrides: settings given on the command line; `None` means "not given".

    Raises:
        SettingsError: with one line that names the setting, the fact and the way out.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    _refuse_unknown_variables()
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _refusal(error.errors()[0]) from error
    except SettingsSourceError as error:
        raise SettingsError(
            f"the environment cannot be read: {error}; settings of several parts are written as JSON"
        ) from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"pilotlab.toml cannot be read: {error}") from error


def _refusal(fault: ErrorDetails) -> SettingsError:
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:  # settings that do not fit each other; the message names them
        return SettingsError(f"settings: {message}", field="settings")
    setting, name = str(fault["loc"][0]), ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return SettingsError(f"setting {name}: {_unknown(setting)}; correct pilotlab.toml", field=name)
    return SettingsError(
        f"setting {name}: {message} (set PILOTLAB_{setting.upper()} or correct pilotlab.toml)", field=name
    )


def _refuse_unknown_variables() -> None:
    """A misspelt variable would be passed over without a word, and the default would hold."""
    for variable in sorted(os.environ):
        name = variable.removeprefix("PILOTLAB_").lower()
        ours = variable.startswith("PILOTLAB_") and not variable.startswith(_VARIABLES_OF_OTHERS)
        if ours and name not in Settings.model_fields:
            raise SettingsError(f"{variable} is in the environment, but {_unknown(name)}", field=name)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return "there is no such setting" + (f"; did you mean {near[0]}?" if near else "")
