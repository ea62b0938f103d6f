"""Runs cells of a notebook, which a file of JSON lists: `python -m notebook_cells <file>`."""

import json
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell

if __name__ == "__main__":
    for cell in json.loads(Path(sys.argv[1]).read_text()):
        InteractiveShell.instance().run_cell(cell).raise_error()
