"""What TensorFlow's libraries write past any log while it is imported."""

import subprocess
import sys
from pathlib import Path

NOISY = """
import os, sys
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
os.write(2, b"I0000 00:00:1795995340.875400    6604 port.cc:153] oneDNN custom operations are on. You may see\\n")
os.write(2, b"E0000 00:00:1795995340.875400    6604 cuda.cc:1] no such driver\\n")
if os.environ.get("IS_BROKEN"):
    raise ImportError("no such symbol")
"""
IMPORTS = """
import os
from chest_cancer.network import tensorflow_noise
tensorflow_noise.leave_out()
tensorflow_noise.leave_out()
try:
    import tensorflow
    print(tensorflow.__name__, tensorflow.__spec__.name)
except ImportError as error:
    print(error)
os.write(2, b"I0000 afterwards port.cc:153]\\n")
"""


def imported(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Import a package of that name, in a fresh process."""
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "__init__.py").write_text(NOISY)
    return subprocess.run(
        [sys.executable, "-c", IMPORTS],
        env={"PYTHONPATH": f"{folder}:{Path(__file__).parents[2] / 'src'}", **variables},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_noise_is_left_out_and_an_error_is_shown(tmp_path: Path) -> None:
    process = imported(tmp_path)

    assert process.stdout == "tensorflow tensorflow\n"
    assert process.stderr.splitlines() == [
        "E0000 00:00:1795995340.875400    6604 cuda.cc:1] no such driver",
        "I0000 afterwards port.cc:153]",
    ]


def test_an_import_that_fails_fails_as_it_would(tmp_path: Path) -> None:
    process = imported(tmp_path, IS_BROKEN="yes")

    assert process.stdout == "no such symbol\n"
    assert "no such driver" in process.stderr
    assert "oneDNN" not in process.stderr
