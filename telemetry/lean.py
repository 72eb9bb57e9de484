"""A recorder without pandas: pyarrow loads it (40 MB) at its first array wherever it is installed, to look for it."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("this process does without pandas", name="pandas")
        return None


def do_without_pandas() -> None:
    """Have `import pandas` fail from now on; for a process that records and does nothing else."""
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas())
