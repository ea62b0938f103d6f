"""The last words of a run: what was found and may be believed, which files were made, and what to do next.

A run ends as the furthest of each of the `CHAINS` that it has made. A new pipeline has an entry there.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from chest_cancer.reporting import last_words
from chest_cancer.reporting.last_words import Lines, Results

_LABEL = 9
"""Width of the words that lines begin with."""


class Ending(NamedTuple):
    """How a run ends.

    Attributes:
        made: Catalog entry that a run makes if it ends so.
        files: What people open: catalog entries, each with what it is.
        steps: What to do next: commands, each with what it does.
        say: What was found, and what may be believed.
    """

    made: str
    files: Mapping[str, str]
    steps: Mapping[str, str] | Callable[[Results], Mapping[str, str]] = MappingProxyType({})
    say: Callable[[Results], Lines] = lambda _: []

    def next_steps(self, results: Results) -> Mapping[str, str]:
        """Commands, each with what it does."""
        return self.steps(results) if callable(self.steps) else self.steps


def endings_of(made: Collection[str]) -> list[Ending]:
    """Choose how a run ends, by what it has made."""
    furthest = (next((ending for ending in chain if ending.made in made), None) for chain in CHAINS)
    return [ending for ending in furthest if ending is not None]


def print_ending(
    ending: Ending,
    results: Results,
    paths: Mapping[str, Path],
    project: Path,
    go_on: Callable[[str], str] | None = None,
) -> None:
    """Print how a run ends.

    Args:
        ending: What there is to say.
        results: What was made.
        paths: Where catalog entries lie; those that are there are printed, as links where the terminal knows them.
        project: Folder that the paths in it are printed from.
        go_on: Gives a next command the options of the run; None where it isn't said what to do next.
    """
    console = Console()
    words = Table.grid(Column(width=_LABEL, style="bold"), Column(overflow="fold"), padding=(0, 1))
    for label, line in ending.say(results):
        words.add_row(label, Text(line) if isinstance(line, str) else line)
    console.print("", words)
    there = [name for name, path in paths.items() if path.exists()]
    made = [(_from(project, paths[name]), f"link {paths[name].as_uri()}", ending.files[name]) for name in there]
    steps = [(go_on(command), "", f"# {what}") for command, what in ending.next_steps(results).items()] if go_on else []
    for label, lines in (("Made", made), ("Next", steps)):
        for number, (named, style, what) in enumerate(lines):
            begin = f"{'' if number else label:<{_LABEL + 1}}"
            # Never folded: it is to be clicked, or copied.
            console.print(Text.assemble((begin, "bold"), (named, style), (f"  {what}", "dim")), soft_wrap=True)


def _from(project: Path, path: Path) -> str:
    """Name a path from the project; one elsewhere, such as on a larger disk, as it is."""
    return str(path.relative_to(project) if path.is_relative_to(project) else path)


_TRAIN = "model_preparation,feature_extraction,model_training,model_evaluation,model_audit,reporting"
"""With the two that `make inspect` makes in part; what is there is taken."""
_TRAINING = (
    Ending(
        "report",
        {
            "report": "the figures, and what they do not support",
            "data_report": "the images alone: copies, leakage, shortcuts",
            "metrics": "every figure with its interval and n",
        },
        {
            "make serve": "a page that answers single images",
            "make mlflow": "this run beside others",
            "make viz": "what was made of what",
        },
        last_words.say_report,
    ),
    Ending("model_audit_refusal", {}, {"kedro run --pipelines reporting": "writes the report"}),
    Ending(
        "metrics",
        {"metrics": "every figure with its interval and n"},
        {"kedro run --pipelines model_audit,reporting": "looks for what speaks against them, and writes the report"},
        last_words.say_figures,
    ),
    Ending(
        "candidate",
        {"candidate": "the classifier, not served yet", "training_history": "losses, a row per epoch"},
        {"kedro run --pipelines model_evaluation,model_audit,reporting": "measures it on the test images"},
        last_words.say_candidate,
    ),
    Ending(
        "data_report",
        {
            "data_report": "classes, splits, copies, leakage, shortcuts",
            "data_table_suspects": "images to look at",
            "quarantine": "files that can't be used, and why",
        },
        {f"kedro run --pipelines {_TRAIN}": "trains and measures on these images"},
        last_words.say_data,
    ),
    Ending(
        "split_table",
        {"split_table": "a row per image, with its group and split"},
        {"kedro run --pipelines data_audit": "looks at the images before training"},
    ),
    Ending(
        "image_index",
        {"image_index": "a row per image", "quarantine": "files that can't be used, and why"},
        {"kedro run --pipelines model_preparation,feature_extraction,data_audit": "looks at them before training"},
    ),
    Ending(
        "frozen_base",
        {"frozen_base": "the convolutions that stay as they are"},
        {"kedro run --pipelines feature_extraction": "sends the images through them"},
    ),
)
_EXTERNAL = Ending(
    "external_report",
    {
        "external_report": "the page",
        "external_predictions": "a row per distinct image",
        "external_quarantine": "files that can't be used, and why",
    },
    {"make mlflow": "these figures, inside the run that trained the model"},
    last_words.say_external,
)
_BATCH = Ending(
    "predictions_gallery",
    {
        "predictions_gallery": "counts, and some images of each answer",
        "predictions": "a row per image, for pandas.read_parquet",
        "predictions_list": "the same rows as CSV",
        "patient_predictions": "a row per patient",
        "study_predictions": "a row per series",
    },
    last_words.after_batch,
    last_words.say_batch,
)
_SEARCH = Ending(
    "best_parameters",
    {"best_parameters": "in the shape of conf/local/parameters.yml", "search_trials": "a row per trial"},
    last_words.after_search,
    last_words.say_search,
)
CHAINS = (_TRAINING, (_EXTERNAL,), (_BATCH,), (_SEARCH,))
"""Of each chain, the furthest first."""
