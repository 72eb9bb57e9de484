"""The lab's time as another process steers it: an anchor and a rate, nothing else."""

import threading
import time
from collections.abc import Callable

from simulators.errors import RefusedLineError, StoppedError


class LabTime:
    """Lab time = lab_ns + (real time − real_ns) · rate. Real time until `set` is called."""

    def __init__(self) -> None:
        self._anchor = (0, 0, 1.0)

    def set(self, *, real_ns: int, lab_ns: int, rate: float) -> None:
        """Follow another anchor from now on."""
        self._anchor = (real_ns, lab_ns, rate)

    def now_ns(self) -> int:
        """The present lab instant, nanoseconds since 1970."""
        real_ns, lab_ns, rate = self._anchor
        if rate == 0:
            return lab_ns
        # nothing of the product may be imported here, hence no lab.core.clock
        return lab_ns + int((time.time_ns() - real_ns) * rate)  # noqa: TID251

    def wait_until(self, lab_ns: int, *, ended: threading.Event, cut_short: Callable[[], bool] = lambda: False) -> None:
        """Sleep until the lab's clock shows `lab_ns`, or, half a second late at most, `cut_short()` says so.

        Raises:
            RefusedLineError: if the lab's clock stands still, so that this would be for ever.
            StoppedError: if `ended` is set meanwhile.
        """
        while True:
            if ended.is_set():
                raise StoppedError("the run was cut off: the program is ending")
            missing_ns = lab_ns - self.now_ns()
            if missing_ns <= 0 or cut_short():
                return
            rate = self._anchor[2]
            if rate <= 0:
                raise RefusedLineError(
                    "the lab's clock stands still; set a rate above 0 or ask for as_fast_as_possible"
                )
            ended.wait(min(missing_ns / rate / 1e9, 0.5))  # looks again: the clock may be set meanwhile
