"""The plot of the whole command."""

from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.whole_command import RECIPE, Measured, ratios


def draw(measured: dict[str, list[Measured]], path: Path) -> None:
    """Draw seconds on the clock, a bar for each side, every round a dot."""
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    names = list(measured)[::-1]
    for row, name in enumerate(names):
        walls = [each.cost.wall for each in measured[name]]
        axes.barh(row, median(walls), color="#8a8f98" if name == RECIPE else "#1f6f8b", height=0.62)
        axes.plot(walls, [row] * len(walls), ".", color="black", markersize=4)
        ratio = "" if name == RECIPE else f"  ({median(ratios(measured, name)):.1f} times faster)"
        axes.text(max(walls), row, f"  {median(walls):.0f} s{ratio}", va="center")
    axes.set_yticks(range(len(names)), [name.replace("`", "") for name in names])
    axes.set_xlabel("seconds on the clock, whole command: median, and each round")
    axes.set_xlim(0, max(each.cost.wall for each in measured[RECIPE]) * 1.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
