"""The boundary around readers of files: whatever goes wrong inside comes out as one exception with a reason."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from chest_cancer.imaging.pixels import UnreadableImageError, describe


@contextmanager
def as_unreadable(name: str, *, extra: str) -> Iterator[None]:
    """Raise `UnreadableImageError` for any exception inside, and keep the warnings of readers quiet.

    No file may end a run or a request, and on hostile bytes readers raise nearly anything: OSError, SyntaxError,
    struct.error, zlib.error, AttributeError, MemoryError, RecursionError ...

    Args:
        name: What is read, as people call it: `DICOM`.
        extra: The extra of this package whose packages read (or write) it; a missing one is named with it.
    """
    try:
        with _quiet:
            yield
    except UnreadableImageError:
        raise
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise UnreadableImageError(
            f"{name} needs the packages of the extra `{extra}`: expected {package} to be installed; install "
            f"chest_cancer[{extra}]"
        ) from error
    except Exception as error:  # whatever it is: see above
        raise UnreadableImageError(
            f"{name} file is damaged, cut short or of an unsupported kind: {describe(error)}"
        ) from error


class _QuietReaders:
    """Ignores the warnings of Pillow, pydicom, highdicom and nibabel while any thread is inside.

    `warnings.catch_warnings` swaps the filters of the whole process: were each thread to use it, overlapping threads
    would restore them out of order. So the first one in saves them and the last one out restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pydicom|nibabel|highdicom)\.")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(None, None, None)


_quiet = _QuietReaders()
