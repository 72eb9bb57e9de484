"""The garbage collector and what a process has loaded for good.

A full collection looks at every object there is, and libraries make hundreds of thousands; pages and live values wait
for it. What was loaded to stay is therefore taken out of its sight (`gc.freeze`, Python 3.7).
"""

import gc


def keep_for_good() -> None:
    """All that lives now, and is not garbage, stays until the process ends."""
    gc.collect()
    gc.freeze()
