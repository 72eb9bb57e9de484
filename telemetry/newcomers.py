"""A device that invents boots: how many new ones are taken. No database, no clock of its own."""

from collections import deque

MOST_NEW_BOOTS = 600
"""Of a device within an hour; each costs a query and some rows, and no machine starts that often."""
HOUR_NS = 3600 * 1_000_000_000
_MOST_DEVICES = 5_000


class NewBoots:
    """Counts the new boots of each device within the last hour of received time."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[int]] = {}

    def admits(self, device: str, received_ns: int) -> bool:
        """Whether one more is taken; if so, it is counted."""
        seen = self._seen.get(device)
        if seen is None:
            if len(self._seen) >= _MOST_DEVICES:
                self._seen.clear()
            seen = self._seen[device] = deque()
        while seen and seen[0] <= received_ns - HOUR_NS:
            seen.popleft()
        if len(seen) >= MOST_NEW_BOOTS:
            return False
        seen.append(received_ns)
        return True
