"""Processes that read files beside the network."""

import subprocess
import sys


def test_a_process_that_reads_files_holds_no_library_that_it_does_not_use() -> None:
    unused = ["keras", "mlflow", "openvino", "pandas", "pyarrow", "ray", "scipy", "sklearn", "tensorflow"]
    code = f"import sys, chest_cancer.sources.file_reader; print([name for name in {unused} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
