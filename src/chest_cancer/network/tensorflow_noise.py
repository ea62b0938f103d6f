"""TensorFlow is imported without what its libraries say of themselves, on processors with instructions for networks.

They write it before their log has a level, so `TF_CPP_MIN_LOG_LEVEL` has no say in it:
https://github.com/tensorflow/tensorflow/issues/100442
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

_STANDARD_ERROR = 2
_NOISE = re.compile(rb"WARNING: All log messages before absl::|I0000 .* port\.cc:")


def leave_out() -> None:
    """Leave the noise out from here on; what else is written to the standard error meanwhile is shown afterwards."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with _without_noise():
            super().exec_module(module)


@contextmanager
def _without_noise() -> Iterator[None]:
    kept = os.dup(_STANDARD_ERROR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _NOISE.match(line):
                    os.write(_STANDARD_ERROR, line)
