"""A data package checked by somebody who has nothing but it: its hashes, and every number computed again."""

from lab.reports.verifying.service import verify_package

__all__ = ["verify_package"]
