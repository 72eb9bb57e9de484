"""Errors of histories and downloads."""

from lab.core.errors import TooManyError


class TooManyDownloadsError(TooManyError):
    """Somebody downloads as much at once as one person may. Facts: `rule`, `limit`, `retry_after_seconds`."""
