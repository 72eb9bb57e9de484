"""Talking to InfluxDB: lines in, tables out, and what its refusals mean."""

import csv
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.csv
import structlog
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.dbrp_create import DBRPCreate
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from influxdb_client.service.dbr_ps_service import DBRPsService
from urllib3.exceptions import HTTPError

from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.influxdb.lines import Lines

log = structlog.get_logger(__name__)
T = TypeVar("T")

BYTES_PER_REQUEST = 1024 * 1024
STATEMENTS_PER_REQUEST = 200
TIMEOUT_MS = 30_000
_NANOSECONDS: Any = WritePrecision.NS
_BUSY = {429, 503}
_LONGEST_PEACE_S = 60.0
_NOT_FOUND = 404
_REFUSED = {400, 422}
"""The request itself is wrong: a point in it cannot be stored. The others of it may be stored already."""
_TOO_LARGE = 413


class InfluxDBConnection:
    """A bucket on a server; connects when it is first needed. Safe for threads.

    Args:
        url: of the server.
        token: may read and write the bucket.
        org: organisation.
        bucket: its name, and that of the database in InfluxQL.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str) -> None:
        self._org = org
        self._bucket = bucket
        self._client: Any = InfluxDBClient(url, token, org=org, timeout=TIMEOUT_MS)
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._not_before = 0.0
        """Not asked again before (by `time.monotonic`), because the server said so."""
        self._mapping = threading.Lock()
        self._mapped = False

    def write(self, lines: Lines, *, also: Lines | None = None) -> list[int]:
        """Write lines with times in nanoseconds.

        Args:
            lines: what to write.
            also: goes with the first request; is surely stored only if no line is refused.

        Returns:
            Places of the lines that the server refuses for themselves; all others are stored.

        Raises:
            StoreUnavailableError: the server does not answer, is too busy, or refuses everything.
        """
        refused: list[int] = []
        riding = also.part(0, len(also)) if also else b""
        for first, last in lines.pieces(BYTES_PER_REQUEST):
            refused += self._write_part(lines, first, last, riding)
            riding = b""
        return refused

    def query(self, question: str, schema: pa.Schema) -> pa.Table:
        """Ask in InfluxQL; times are in nanoseconds.

        Args:
            question: one SELECT or SHOW statement.
            schema: the columns wanted; what the answer lacks, or says as an empty text, is null.

        Raises:
            StoreUnavailableError: the server does not answer, is too busy, or refuses the question.
        """
        self._map_database()
        content = self._asked(lambda: self._get_csv(question))
        if not content.strip():
            return schema.empty_table()
        if content.startswith(b"error"):
            raise StoreUnavailableError(f"InfluxDB refuses a question: {_text(content)}")
        options = pyarrow.csv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            include_missing_columns=True,
            strings_can_be_null=True,
            null_values=[""],
        )
        parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
        table = pyarrow.csv.read_csv(io.BytesIO(content), parse_options=parse, convert_options=options)
        return table.select(schema.names).cast(schema)

    def ask_each(self, questions: Sequence[str]) -> Iterator[dict[str, str]]:
        """The rows of many small answers, by column; which question a row answers, its columns have to tell.

        Raises:
            StoreUnavailableError: the server does not answer, is too busy, or refuses a question.
        """
        self._map_database()
        for start in range(0, len(questions), STATEMENTS_PER_REQUEST):
            part = "; ".join(questions[start : start + STATEMENTS_PER_REQUEST])
            content = self._asked(lambda part=part: self._get_csv(part, "POST"))  # type: ignore[misc]
            names: list[str] | None = None
            for row in csv.reader(io.StringIO(content.decode(), newline="")):
                if row[:1] == ["error"]:
                    raise StoreUnavailableError(f"InfluxDB refuses a question: {_text(content)}")
                if not row:
                    names = None  # the next answer begins
                elif names is None:
                    names = row
                else:
                    yield dict(zip(names, row, strict=True))

    def execute(self, command: str) -> None:
        """Have InfluxQL do something.

        Raises:
            StoreUnavailableError: the server does not answer, is too busy, or refuses it.
        """
        self._map_database()
        content = self._asked(lambda: self._get_csv(command, "POST"))
        if content.startswith(b"error"):
            raise StoreUnavailableError(f"InfluxDB refuses a command: {_text(content)}")

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _write_part(self, lines: Lines, first: int, last: int, riding: bytes = b"") -> list[int]:
        """Write lines; halve what is refused until the bad ones stand alone. Good ones may be written repeatedly."""
        content = riding + lines.part(first, last)
        try:
            self._asked(lambda: self._writer.write(self._bucket, self._org, content, _NANOSECONDS))
        except _RefusedError as error:
            if last - first == 1:
                log.warning("InfluxDB refuses a line", reason=str(error), line=_text(content))
                return [first]
            middle = (first + last) // 2
            return self._write_part(lines, first, middle) + self._write_part(lines, middle, last)
        return []

    def _get_csv(self, question: str, method: str = "GET") -> bytes:
        parameters = {"db": self._bucket, "q": question, "epoch": "ns"}
        form = method == "POST"
        response = self._client.api_client.call_api(
            "/query",
            method,
            query_params={} if form else parameters,
            post_params=parameters if form else {},
            header_params={
                "Accept": "application/csv",
                **({"Content-Type": "application/x-www-form-urlencoded"} if form else {}),
            },
            _preload_content=False,
            _return_http_data_only=True,
        )
        content: bytes = response.data
        return content

    def _map_database(self) -> None:
        """Version 2 answers InfluxQL only for a bucket that is mapped to a database; make the mapping if need be."""
        with self._mapping:
            if self._mapped:
                return
            try:
                self._asked(self._ensure_mapping)
            except _NotFoundError:
                log.debug("no buckets on this server: it is InfluxDB 1")
            self._mapped = True

    def _ensure_mapping(self) -> None:
        service: Any = DBRPsService(self._client.api_client)  # type: ignore[no-untyped-call]
        if service.get_dbr_ps(org=self._org, db=self._bucket).content:
            return
        bucket = self._client.buckets_api().find_bucket_by_name(self._bucket)
        if bucket is None:
            raise StoreUnavailableError(f"InfluxDB has no bucket {self._bucket} that this token may read; create it")
        mapping = DBRPCreate(  # type: ignore[no-untyped-call]
            org=self._org, bucket_id=bucket.id, database=self._bucket, retention_policy="autogen", default=True
        )
        service.post_dbrp(mapping)

    def _asked(self, call: Callable[[], T]) -> T:
        """The answer to a call, its failure as one of our errors."""
        wait = self._not_before - time.monotonic()
        if wait > 0:
            raise StoreUnavailableError(f"InfluxDB is busy and wants to be asked again in {wait:.0f} s")
        try:
            return call()
        except ApiException as error:
            detail = f"InfluxDB answers {error.status}: {_text(error.body or error.reason or '')}"
            if error.status in _REFUSED or error.status == _TOO_LARGE:
                raise _RefusedError(detail) from error
            if error.status == _NOT_FOUND:
                raise _NotFoundError(detail) from error
            self._not_before = time.monotonic() + _retry_after(error)
            raise StoreUnavailableError(detail) from error
        except (HTTPError, OSError) as error:
            raise StoreUnavailableError(f"InfluxDB cannot be reached: {type(error).__name__}") from error


class _RefusedError(StoreUnavailableError):
    """The request is wrong."""


class _NotFoundError(StoreUnavailableError):
    """The path, the bucket or the database is not there."""


def _retry_after(error: ApiException) -> float:
    """Seconds for which the server wants peace; 0 if it does not say."""
    headers: Any = error.headers
    said = str(headers.get("Retry-After", "")) if headers and error.status in _BUSY else ""
    return min(float(said), _LONGEST_PEACE_S) if said.isdigit() else 0.0


def _text(content: bytes | str) -> str:
    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
    return " ".join(text.split())[:300]
