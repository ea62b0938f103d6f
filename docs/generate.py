"""Writes the parts of the documentation that are made from the code: the page of parameters and the diagrams.

`make docs` runs it; `tests/test_docs.py` compares the files in git with what it writes.
"""

import json
from collections.abc import Iterator
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from chest_cancer.parameters.blocks import Parameters

DOCS = Path(__file__).parent
WIDTH = 960
COLOURS = {
    "data_ingestion": "#1f5f8b",
    "model_preparation": "#5b4a9c",
    "feature_extraction": "#00736b",
    "data_audit": "#8a5a00",
    "model_training": "#a1342f",
    "model_evaluation": "#3d6b1f",
    "model_audit": "#7a3e76",
    "reporting": "#4a5560",
}
OVERVIEW = (
    ("Images", "A folder, a zip|or an archive.|Every file|is opened.", ("data_ingestion",)),
    ("Features", "VGG16, once|an image.|Patients are|in one split.", ("model_preparation", "feature_extraction")),
    ("Classifier", "A head learns|from them, and|is calibrated.", ("model_training",)),
    ("Figures", "On patients|kept apart.|Audits look|for leaks.", ("data_audit", "model_evaluation", "model_audit")),
    ("Answers", "A report,|a record, a page|to upload slices.", ("reporting",)),
)
"""What the README shows: title, two lines, and the pipelines of the default run that do it."""


class Chip(NamedTuple):
    """A name in a diagram, and the pipeline that made what it names."""

    text: str
    maker: str | None


# Parameters


def parameters_page() -> str:
    """Write every parameter with its default, its values and its meaning."""
    schema = Parameters.model_json_schema()
    parts = [
        "# Parameters",
        "Made from `src/chest_cancer/parameters/` by `docs/generate.py`. Do not edit this page.",
        "Set a parameter for one run on the command line, or for all runs in `conf/local/parameters.yml`. A name that "
        "is not on this page, or a value outside its range, stops a run before any work.",
        "```console\n$ .venv/bin/kedro run --params model_training.epochs=20,model_training.head=linear\n```",
        "One parameter is in no block: `seed` (default 17) is the seed of everything that is drawn by chance.",
        "`null` means *none*. Each block below has the name of its pipeline, except `runtime`.",
    ]
    ingestion = schema["properties"]["data_ingestion"]
    shared = dict(rows(schema, resolve(schema, ingestion), "", ingestion["default"]))
    for name, field in schema["properties"].items():
        if "$ref" not in field:
            continue
        block = resolve(schema, field)
        found = dict(rows(schema, block, "", field.get("default", {})))
        parts += [f"## {name}", summary(block)]
        if name == "external_validation":
            found = {key: row for key, row in found.items() if shared.get(key) != row}
            parts.append("The other parameters of `data_ingestion` are here too, with the same defaults.")
        parts.append(
            "\n".join(["| parameter | default | values | meaning |", "| --- | --- | --- | --- |", *found.values()])
        )
    return "\n\n".join(parts) + "\n"


def rows(
    schema: dict[str, Any], block: dict[str, Any], prefix: str, defaults: dict[str, Any] | None = None
) -> Iterator[tuple[str, str]]:
    """Give a row of the table for each parameter of a block, and of the blocks in it."""
    for name, field in block["properties"].items():
        default = (defaults or {}).get(name, field.get("default"))
        inner = resolve(schema, field)
        if inner.get("type") == "object" and "properties" in inner:
            yield from rows(schema, inner, f"{prefix}{name}.", default)
            continue
        cells = (f"`{prefix}{name}`", shown(default), values(schema, field), field.get("description", ""))
        yield prefix + name, "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def resolve(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference of JSON Schema."""
    reference = field.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else field


def summary(block: dict[str, Any]) -> str:
    """Take the first paragraph of a block's docstring."""
    return str(block.get("description", "")).split("\n\n")[0].replace("\n", " ")


def shown(value: Any) -> str:
    """Write a value as YAML has it."""
    if isinstance(value, list):
        return f"`[{', '.join(shown(item).strip('`') for item in value)}]`"
    return f"`{json.dumps(value)}`".replace('"', "")


def values(schema: dict[str, Any], field: dict[str, Any]) -> str:
    """Say in words what a value may be."""
    field = resolve(schema, field)
    if "anyOf" in field:
        return ", or ".join(dict.fromkeys(values(schema, choice) for choice in field["anyOf"]))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{choice}`" for choice in field.get("enum", [field.get("const")]))
    match field.get("type"):
        case "null":
            return "`null`"
        case "boolean":
            return "`true`, `false`"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + limits(field)
        case "array" if "prefixItems" in field:
            return "pair: " + "; ".join(values(schema, item) for item in field["prefixItems"])
        case "array":
            return "list of " + values(schema, field["items"])
        case "object":
            return "names to names"
    return "text"


def limits(field: dict[str, Any]) -> str:
    """Say between what a number lies."""
    words = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    found = [text.format(f"{field[key]:,.12g}".replace(",", " ")) for key, text in words.items() if key in field]
    return f", {' '.join(found)}" if found else ""


# Diagrams


def data_flow() -> str:
    """Draw what each pipeline takes and makes. What a pipeline made has its colour wherever it is taken."""
    pipelines = registered()
    default = [name for name in in_order(pipelines) if name in COLOURS]
    requested = [name for name in in_order(pipelines) if name not in COLOURS]
    makers = {output: name for name in [*default, *requested] for output in pipelines[name].all_outputs()}
    parts: list[str] = []
    top = 40
    for title, names in (("kedro run", default), ("only where they are named: kedro run --pipelines …", requested)):
        parts.append(text(20, top, title, size=15, weight=700))
        top += 16
        for name in names:
            band, height = draw_band(top, name, pipelines[name], makers)
            parts.append(band)
            top += height + 14
        top += 26
    return svg(top - 20, parts, "Pipelines, with what each takes and makes")


def overview() -> str:
    """Draw the five steps of a run.

    Raises:
        ValueError: The steps are not those of the default run.
    """
    drawn = {name for *_, names in OVERVIEW for name in names}
    if drawn != set(COLOURS) or not drawn <= set(registered()):
        raise ValueError(f"Expected the pipelines of the default run in OVERVIEW. Received: {sorted(drawn)}")
    side, gap = 174, 18
    parts = []
    for number, (title, lines, names) in enumerate(OVERVIEW):
        left = 10 + number * (side + gap)
        parts += [
            f'<rect x="{left}" y="14" width="{side}" height="142" rx="8" fill="#ffffff" stroke="{COLOURS[names[-1]]}" '
            'stroke-width="2"/>',
            text(left + 10, 44, title, size=22, weight=700, fill=COLOURS[names[-1]]),
            # So large that it can be read where the page is narrow.
            *(text(left + 10, 72 + 22 * row, line, size=18) for row, line in enumerate(lines.split("|"))),
        ]
        if number:
            parts.append(
                f'<path d="M{left - gap + 2} 85 h10 m-4 -5 l6 5 l-6 5" fill="none" stroke="#4a5560" stroke-width="2"/>'
            )
    return svg(170, parts, "Images, features, classifier, figures, answers")


def registered() -> dict[str, Pipeline]:
    """Find the pipelines of the project."""
    bootstrap_project(DOCS.parent)
    from chest_cancer.pipeline_registry import register_pipelines

    return {name: pipeline for name, pipeline in register_pipelines().items() if name != "__default__"}


def in_order(pipelines: dict[str, Pipeline]) -> list[str]:
    """Order pipelines so that each one follows those that make what it takes; by name where that leaves a choice."""
    sorter = TopologicalSorter(
        {
            name: [other for other in pipelines if other != name and takes & pipelines[other].all_outputs()]
            for name, takes in ((name, pipeline.inputs()) for name, pipeline in pipelines.items())
        }
    )
    sorter.prepare()
    ordered: list[str] = []
    waiting: list[str] = []
    while sorter.is_active():
        waiting = sorted([*waiting, *sorter.get_ready()])
        ordered.append(waiting.pop(0))
        sorter.done(ordered[-1])
    return ordered


def draw_band(top: int, name: str, pipeline: Pipeline, makers: dict[str, str]) -> tuple[str, int]:
    """Draw a pipeline: on the left what it takes, on the right what it makes."""
    taken = sorted(part for part in pipeline.inputs() if not part.startswith("params:"))
    made = sorted(pipeline.all_outputs() - {part for part in pipeline.all_outputs() if part.startswith("_")})
    left, left_height = draw_chips(20, top + 34, gathered([Chip(part, makers.get(part)) for part in taken]))
    right, right_height = draw_chips(510, top + 34, gathered([Chip(part, name) for part in made]))
    height = 34 + max(left_height, right_height) + 6
    colour = COLOURS.get(name, "#222222")
    size = f'x="10" y="{top}" width="{WIDTH - 20}" height="{height}"'
    frame = f'<rect {size} rx="8" fill="#ffffff" stroke="{colour}" stroke-width="1.5"/>'
    arrow = f'<path d="M484 {top + 46} h14 m-5 -5 l6 5 l-6 5" fill="none" stroke="{colour}" stroke-width="2"/>'
    return frame + text(20, top + 22, name, size=14, weight=700, fill=colour) + arrow + left + right, height


def gathered(chips: list[Chip]) -> list[Chip]:
    """Name several audits or plots of one pipeline once."""
    many = {}
    for chip in chips:
        for mark in ("_audit_plot_", "_audit_", "_plot_"):
            if mark in chip.text and not chip.text.endswith(("_plot_", "_audit_")):
                many.setdefault((chip.text.split(mark)[0] + mark, chip.maker), []).append(chip)
                break
        else:
            many[chip.text, chip.maker] = [chip]
    return [
        Chip(f"{text}… ({len(found)})" if len(found) > 1 else found[0].text, maker)
        for (text, maker), found in many.items()
    ]


def draw_chips(left: int, top: int, chips: list[Chip]) -> tuple[str, int]:
    """Draw names in rows, and say how high they are together."""
    parts, x, y = [], left, top
    for chip in chips:
        width = round(6.7 * len(chip.text) + 16)
        if x + width > left + 440 and x > left:
            x, y = left, y + 26
        colour = COLOURS.get(chip.maker or "", "#555555")
        style = f'fill="{colour}"' if chip.maker else 'fill="#ffffff" stroke="#555555" stroke-dasharray="3 2"'
        parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="20" rx="10" {style}/>')
        parts.append(text(x + 8, y + 14, chip.text, size=11, mono=True, fill="#ffffff" if chip.maker else "#222222"))
        x += width + 6
    return "".join(parts), y - top + 26


def text(x: int, y: int, words: str, *, size: int, weight: int = 400, fill: str = "#222222", mono: bool = False) -> str:
    """Draw words."""
    family = "ui-monospace, DejaVu Sans Mono, monospace" if mono else "system-ui, DejaVu Sans, sans-serif"
    font = f'font-family="{family}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {font} fill="{fill}">{escape(words)}</text>'


def svg(height: int, parts: list[str], title: str) -> str:
    """Put a picture together, on white, so that it can be read in dark mode too."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 10} {height}" role="img" aria-label="{title}">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" rx="8" fill="#f6f8fa"/>', *parts, "</svg>"]) + "\n"


MADE = {
    "parameters.md": parameters_page,
    "images/data-flow.svg": data_flow,
    "images/overview.svg": overview,
}
"""Files below `docs`, and what writes them."""

if __name__ == "__main__":
    for name, make in MADE.items():
        (DOCS / name).write_text(make())
