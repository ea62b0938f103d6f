"""From measured rates to whole archives: the tables of docs/scale.md.

`python -m benchmarks.extrapolate` measures nothing. It takes rates that were measured, deals patients to parts as
batches do, and lets workers make these parts, while machines are taken away from them at random moments. What that
costs is the part that was being made, a new machine, and, for a share of a job array, one more look at every file.
"""

import argparse
import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chest_cancer.pipelines.batch_inference.parts import count_parts

_HOUR = 3600
_SEED = 17
_IN_A_ROW = 4
"""Workers that may be lost on one part before a run on Ray ends (`network/cluster.py`)."""
_HELP = {
    "rate": "images/s of a core (docs/benchmarks.md, Extraction: files to features in bf16, 13.8 on two cores)",
    "look": "processor seconds to read whom a file shows (docs/benchmarks.md, What a part costs)",
    "write": "processor seconds to write a part (docs/benchmarks.md, What a part costs)",
    "row_bytes": "bytes of a row on disk (docs/benchmarks.md, What a part costs)",
    "slice_bytes": "bytes of a slice (docs/benchmarks.md, What a part costs)",
    "memory": "GB of a process that computes (docs/benchmarks.md, Fewer multiplications: batches of 16 in fp32)",
    "listed": "GB for a million names (docs/object-storage.md, Memory)",
    "source": "the most slices of one source (docs/benchmarks.md, A million images)",
    "start": "seconds until a new machine computes; assumed",
    "interruptions": "how often an hour a machine is taken away; assumed",
    "patient": "slices of a patient; assumed",
    "price": "USD a core-hour; prices change, so there is no default, and no column without it",
}


@dataclass(frozen=True)
class Rates:
    """What is known, and what is assumed; `_HELP` says of each what it is and where it comes from."""

    rate: float = 6.9
    look: float = 0.0017
    write: float = 0.009
    row_bytes: float = 128
    slice_bytes: float = 528_000
    memory: float = 1.5
    listed: float = 1.0
    source: float = 1e6
    start: float = 180
    interruptions: float = 0.05
    patient: int = 100
    price: float | None = None


@dataclass(frozen=True)
class Cost:
    """What a run takes.

    Attributes:
        wall: Seconds on the clock.
        paid: Seconds of all cores together, from the start of their machines to their end.
    """

    wall: float
    paid: float


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    rates = Rates(**{name: getattr(arguments, name) for name in _HELP})
    print(table(arguments.slices, arguments.workers, rates))
    print(f"\n{storage(arguments.slices, rates)}")
    print(f"\n{ends(max(arguments.slices), rates)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extrapolate", description=__doc__)
    parser.add_argument("--slices", type=float, nargs="+", default=[1e6, 1e8], help="how many there are")
    parser.add_argument("--workers", type=int, nargs="+", default=[16, 64], help="of one core each, for a source")
    for name, meaning in _HELP.items():
        default = getattr(Rates, name)
        kind = float if default is None else type(default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=f"{meaning}; {default}")
    return parser.parse_args()


def deal(slices: float, rates: Rates, generator: np.random.Generator) -> NDArray[np.floating]:
    """Deal the patients of a source to its parts, as their hashes do.

    Returns:
        Slices of each part.
    """
    parts = count_parts(slices)
    patients = round(slices / rates.patient)
    return generator.multinomial(patients, np.full(parts, 1 / parts)) * (slices / patients)


def work(seconds: NDArray[np.floating], workers: int, start: float, lost_a_second: float, seed: int) -> Cost:
    """Let workers make parts, each the next one as soon as it is free.

    Args:
        seconds: Of each part.
        workers: How many there are.
        start: Seconds until a worker computes, at the beginning and again when it was lost.
        lost_a_second: How often a second a worker is lost.
        seed: Of the losses.
    """
    generator = np.random.default_rng(seed)

    def until_lost() -> float:
        return generator.exponential(1 / lost_a_second) if lost_a_second else np.inf

    def begin() -> float:
        spent = 0.0
        while (lost := until_lost()) < start:
            spent += lost
        return spent + start

    waiting = list(seconds[::-1])
    free = [(begin(), worker) for worker in range(min(workers, len(waiting)))]
    heapq.heapify(free)
    paid, wall = sum(spent for spent, _ in free), 0.0
    while waiting:
        now, worker = heapq.heappop(free)
        part, lost = waiting.pop(), until_lost()
        if lost < part:
            waiting.append(part)
            spent = lost + begin()
        else:
            spent = part
            wall = max(wall, now + part)
        heapq.heappush(free, (now + spent, worker))
        paid += spent
    return Cost(wall, paid)


def one_machine(parts: NDArray[np.floating], cores: int, rates: Rates, often: float, seed: int) -> Cost:
    """All cores make one part together; while files are looked at, one of them works."""
    begin = rates.start + rates.look * parts.sum()
    alone = work(parts / rates.rate / cores + rates.write, 1, begin, often, seed)
    return Cost(alone.wall, alone.paid * cores)


def job_array(parts: NDArray[np.floating], shares: int, rates: Rates, often: float, seed: int) -> Cost:
    """Every share has a core, looks at all files, and makes its own parts."""
    begin = rates.start + rates.look * parts.sum()
    costs = [
        work(parts[share::shares] / rates.rate + rates.write, 1, begin, often, seed + share) for share in range(shares)
    ]
    return Cost(max(cost.wall for cost in costs), sum(cost.paid for cost in costs))


def ray_cluster(parts: NDArray[np.floating], workers: int, rates: Rates, often: float, seed: int) -> Cost:
    """One process looks at the files, hands parts out and writes them, on a machine that is not taken away."""
    begin = rates.start + rates.look * parts.sum()
    made = work(parts / rates.rate, workers, rates.start, often, seed)
    wall = begin + max(made.wall, len(parts) * rates.write)
    return Cost(wall, made.paid + wall)


Way = Callable[[NDArray[np.floating], int, Rates, float, int], Cost]
WAYS: dict[str, Way] = {"one machine": one_machine, "job array": job_array, "Ray cluster": ray_cluster}


def whole(way: str, slices: float, workers: int, rates: Rates, often: float) -> Cost:
    """Sum up the sources that an archive is divided into: one machine takes them in turn, the others at once."""
    sources = int(np.ceil(slices / rates.source))
    costs = []
    for source in range(sources):
        parts = deal(slices / sources, rates, np.random.default_rng(_SEED + source))
        costs.append(WAYS[way](parts, workers, rates, often / _HOUR, 1000 * source))
    walls = [cost.wall for cost in costs]
    return Cost(sum(walls) if way == "one machine" else max(walls), sum(cost.paid for cost in costs))


def table(slices: list[float], workers: list[int], rates: Rates) -> str:
    """Write what each way takes, as Markdown; memory is that of the largest machine."""
    heads = ["slices", "way", "cores", "hours", "core-hours", "interrupted: hours", "core-hours"]
    heads += ["memory, GB", "read, MB/s"] + (["USD"] if rates.price else [])
    lines = [heads, ["---"] * len(heads)]
    for count in slices:
        sources = int(np.ceil(count / rates.source))
        for way in WAYS:
            for cores in workers:
                at_once = 1 if way == "one machine" else sources
                calm, rough = (whole(way, count, cores, rates, often) for often in (0, rates.interruptions))
                hours = [
                    f"{seconds / _HOUR:,.{1 if seconds < 10 * _HOUR else 0}f}"
                    for seconds in (calm.wall, calm.paid, rough.wall, rough.paid)
                ]
                memory = rates.memory + rates.listed * count / sources / 1e6
                read = at_once * cores * rates.rate * rates.slice_bytes / 1e6
                line = [f"{count:,.0f}", way, f"{cores * at_once:,}", *hours, f"{memory:.1f}", f"{read:,.0f}"]
                lines.append(line + ([f"{calm.paid / _HOUR * rates.price:,.0f}"] if rates.price else []))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def storage(slices: list[float], rates: Rates) -> str:
    """Write what lies on disks, as Markdown."""
    lines = ["| slices | images, TB | rows, GB | parts |", "| --- | --- | --- | --- |"]
    for count in slices:
        sources = int(np.ceil(count / rates.source))
        images, rows = count * rates.slice_bytes / 1e12, count * rates.row_bytes / 1e9
        lines.append(f"| {count:,.0f} | {images:,.1f} | {rows:,.1f} | {sources * count_parts(count / sources):,} |")
    return "\n".join(lines)


def ends(slices: float, rates: Rates) -> str:
    """Say how likely a run on Ray is to end because one part's workers were lost again and again."""
    source = min(slices, rates.source)
    seconds = source / count_parts(source) / rates.rate
    lost = 1 - np.exp(-rates.interruptions / _HOUR * seconds)
    chance = slices / source * count_parts(source) * lost**_IN_A_ROW
    return (
        f"A part takes a core {seconds:,.0f} s, and a worker is lost in one of {1 / lost:,.0f}. That "
        f"{_IN_A_ROW} in a row are lost on one part, which ends a run: {chance:.1g} times in {slices:,.0f} slices."
    )


if __name__ == "__main__":
    main()
