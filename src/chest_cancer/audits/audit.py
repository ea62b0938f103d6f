"""What every audit is: a function of catalog entries that returns facts, plots, and what the facts do not support."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from kedro.pipeline import Node

from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart
from chest_cancer.statistics.intervals import unknown_as_none


class Finding(NamedTuple):
    """What an audit found.

    Attributes:
        facts: What was measured; fits into JSON. The report and the record read it. Under `limitations` it says in
            plain words what the facts do not support: a list of `title` and `text`. Empty where nothing could be
            measured.
        plots: Plots by the names that the audit declares; a missing one is shown as empty.
        tables: Tables by the names that the audit declares, for people to work with; a missing one has no rows.
    """

    facts: dict[str, Any]
    plots: dict[str, go.Figure]
    tables: Mapping[str, pd.DataFrame] = MappingProxyType({})


NOTHING = Finding({}, {})


class Audit(NamedTuple):
    """What there is to know of an audit before it runs.

    Its folder holds `audit.py` with its function, the helpers, and `section.html`, its part of the report.

    Attributes:
        name: Name of its folder, of its function (`audit_<name>`), of its facts and of its place in the report.
        title: What the report calls it.
        subject: `data` for what needs no trained classifier, `model` for what does.
        inputs: Names of the catalog entries that its function takes, beside `parameters` (the block
            `model_evaluation`) and `seed`; a block of parameters, `params:<block>`, by its own name.
        plots: Names of the plots that it draws.
        tables: Names of the tables that it writes, as CSV, each with its columns.
        switch: Name of the parameter of `model_evaluation` that has it run; None: it always does.
    """

    name: str
    title: str
    subject: Literal["data", "model"]
    inputs: tuple[str, ...]
    plots: tuple[str, ...] = ()
    tables: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    switch: str | None = None

    @property
    def facts_dataset(self) -> str:
        """Name of the catalog entry that holds its facts."""
        return f"{self.subject}_audit_{self.name}"

    @property
    def function(self) -> Callable[..., Finding]:
        """What it runs. Imported here alone: a run without audits needs neither their code nor their libraries."""
        function: Callable[..., Finding] = getattr(
            import_module(f"chest_cancer.audits.{self.name}.audit"), f"audit_{self.name}"
        )
        return function

    def plot_dataset(self, plot: str) -> str:
        """Name of the catalog entry that holds one of its plots."""
        return f"{self.subject}_plot_{plot}"

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the catalog entries that a report shows: facts, then plots."""
        return (self.facts_dataset, *map(self.plot_dataset, self.plots))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the catalog entries that it makes: facts, plots, then tables."""
        return (*self.shown, *(f"{self.subject}_table_{table}" for table in self.tables))


def node_of(audit: Audit) -> Node:
    """Make the node of an audit, which finds nothing where audits are switched off."""

    def make(parameters: ModelEvaluationParameters, seed: int, **inputs: Any) -> list[Any]:
        wanted = parameters.audits and (audit.switch is None or getattr(parameters, audit.switch))
        found = audit.function(**inputs, parameters=parameters, seed=seed) if wanted else NOTHING
        return [
            unknown_as_none(found.facts),
            *(found.plots.get(plot, go.Figure()) for plot in audit.plots),
            *(found.tables.get(table, pd.DataFrame(columns=list(columns))) for table, columns in audit.tables.items()),
        ]

    # Its function says more, and is not imported before it runs.
    make.__name__, make.__doc__ = f"audit_{audit.name}", f"Audit: {audit.title}."
    return Node(
        func=make,
        inputs={"parameters": "params:model_evaluation", "seed": "params:seed"}
        | {name.removeprefix("params:"): name for name in audit.inputs},
        outputs=list(audit.datasets),
        name=f"audit_{audit.name}_node",
    )


def parts_of(audits: Iterable[Audit], made: Mapping[str, Any]) -> list[AuditedPart]:
    """Gather what audits made, for the report.

    Args:
        audits: In the order of the report.
        made: The facts of each audit, and its plots where they are wanted, by catalog name.
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
