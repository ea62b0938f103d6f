"""`make bench`: measures speed, and writes the tables into docs/benchmarks.md and the plot beside it."""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import filtering, fine_tuning, growth, images, lean_start, plot, precisions, rates, whole_command
from benchmarks.project import ROOT, machine

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "images" / "benchmarks.png"
_WITHOUT_SOURCE = ("growth", "lean_start")


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = (
            images.archive(arguments.images, work / "images")
            if arguments.images
            else images.phantoms(work / "images", arguments.phantoms)
        )

        environment = "chest_ct" if arguments.images else "base"

        def whole() -> str:
            table, measured = whole_command.measure(source, environment, work / "whole_command", arguments.rounds)
            plot.draw(measured, PLOT)
            return f"![Seconds of the whole command, the recipe and ours](images/{PLOT.name})\n\n{table}"

        sections: dict[str, Callable[[], str]] = {
            "whole_command": whole,
            "rates": lambda: rates.measure(source, work / "rates", arguments.rounds),
            "filtering": lambda: filtering.measure(source, work / "filtering"),
            "precisions": lambda: precisions.measure(source, environment, work / "precisions", arguments.rounds),
            "growth": lambda: growth.measure(arguments.growth, work / "growth"),
            "fine_tuning": lambda: fine_tuning.measure(source, work / "fine_tuning", arguments.rounds),
            "lean_start": lambda: lean_start.measure(work / "lean_start", arguments.rounds),
        }
        for name in arguments.sections or sections:
            images.clear(work / name)
            start = time.perf_counter()
            table = sections[name]()
            images_of = "" if name in _WITHOUT_SOURCE else f"{source.name}; "
            where = f"{images_of}{machine()}; {time.strftime('%Y-%m-%d')}; rounds: {arguments.rounds}"
            _write(name, f"{table}\n\nMeasured in {time.perf_counter() - start:.0f} s on: {where}.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", help="what to measure; by default everything")
    given = os.environ.get("BENCH_IMAGES")
    parser.add_argument(
        "--images", type=Path, default=Path(given) if given else None, help="a zip of class folders; else phantoms"
    )
    parser.add_argument("--phantoms", type=int, default=343, help="how many are drawn where no zip is given")
    parser.add_argument("--rounds", type=int, default=3, help="how often; medians are reported")
    parser.add_argument("--growth", type=int, nargs="+", default=[500, 2500], help="counts of phantoms")
    return parser.parse_args()


def _write(section: str, text: str) -> None:
    """Put a section between its markers in the document."""
    print(f"\n{section}\n\n{text}\n", flush=True)
    opening, closing = f"<!-- {section} -->\n", f"\n<!-- end {section} -->"
    before, _, rest = DOCUMENT.read_text().partition(opening)
    _, marker, after = rest.partition(closing)
    assert marker, f"{DOCUMENT} has no markers of {section}"
    DOCUMENT.write_text(f"{before}{opening}{text}{marker}{after}")


if __name__ == "__main__":
    main()
