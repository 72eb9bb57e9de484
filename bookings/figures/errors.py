"""What can be refused about figures: only how they are asked for."""

from lab.core.errors import InvalidError


class FiguresInvalidError(InvalidError):
    """A window that cannot be counted. Facts: `field`, `rule`."""
