"""What every audit is: a function of catalog entries, which gives facts, plots and what the facts do not support."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go
from kedro.pipeline import Node

from chest_cancer.parameters import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart
from chest_cancer.statistics.intervals import unknown_as_none


class Finding(NamedTuple):
    """What an audit found.

    Attributes:
        facts: What metrics, report and record read; fits into JSON. `limitations` holds in plain words what they do not
            support, a `title` and a `text` each. Empty where nothing could be measured.
        plots: By the names that the audit declares; one that is missing is empty.
    """

    facts: dict[str, Any]
    plots: dict[str, go.Figure]


NOTHING = Finding({}, {})


class Audit(NamedTuple):
    """An audit; its folder holds the function, its helpers, and `section.html`, the part of the report.

    Attributes:
        name: Of its folder, its facts and its heading.
        title: What the report calls it.
        subject: `data` for what needs no trained classifier, `model` for what does.
        inputs: Names of catalog entries, which are the arguments of `run`.
        run: Takes the inputs, `parameters` (the block `model_evaluation`) and `seed` by name, and gives a `Finding`.
        plots: Names of the plots that it draws.
    """

    name: str
    title: str
    subject: Literal["data", "model"]
    inputs: tuple[str, ...]
    run: Callable[..., Finding]
    plots: tuple[str, ...] = ()

    @property
    def facts_dataset(self) -> str:
        """Name of the catalog entry with its facts."""
        return f"{self.subject}_audit_{self.name}"

    def plot_dataset(self, plot: str) -> str:
        """Name of the catalog entry with one of its plots."""
        return f"{self.subject}_plot_{plot}"

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of all that it makes: facts, then plots."""
        return (self.facts_dataset, *map(self.plot_dataset, self.plots))


def node_of(audit: Audit) -> Node:
    """Wire an audit: inputs by name, facts and plots into the catalog; with audits off it finds nothing."""

    def make(parameters: ModelEvaluationParameters, seed: int, **inputs: Any) -> list[Any]:
        found = audit.run(**inputs, parameters=parameters, seed=seed) if parameters.audits else NOTHING
        return [unknown_as_none(found.facts), *(found.plots.get(plot, go.Figure()) for plot in audit.plots)]

    make.__name__ = f"audit_{audit.name}"
    make.__doc__ = audit.run.__doc__
    return Node(
        func=make,
        inputs={"parameters": "params:model_evaluation", "seed": "params:seed"} | {name: name for name in audit.inputs},
        outputs=list(audit.datasets),
        name=f"audit_{audit.name}_node",
    )


def parts_of(audits: Iterable[Audit], made: Mapping[str, Any]) -> list[AuditedPart]:
    """Gather what audits made, for the report.

    Args:
        audits: In the order of the report.
        made: By catalog name: the facts of each audit, and its plots where they are wanted.
    """
    return [
        AuditedPart(
            audit.name,
            audit.title,
            made[audit.facts_dataset],
            {plot: made[audit.plot_dataset(plot)] for plot in audit.plots if audit.plot_dataset(plot) in made},
        )
        for audit in audits
    ]
