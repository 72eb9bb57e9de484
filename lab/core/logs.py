"""Structured logs: one event a line, for people on a terminal or as JSON for a collector."""

import contextlib
import logging
import sys
from typing import Literal, TextIO, cast

import structlog


class _Forgiving:
    """Drops lines that cannot be written, because a disk is full or nobody reads any more: no work stops for them.

    Args:
        file: where the others go.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write it, if that can be."""
        with contextlib.suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Let it go out, if that can be."""
        with contextlib.suppress(OSError):
            self._file.flush()


def set_up_logs(*, format: Literal["console", "json"] = "console", level: str = "info") -> None:
    """Send structured lines to standard error, those of the libraries included.

    Args:
        format: `console` for people, `json` for a log collector.
        level: the least important level that is written.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Forgiving(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
