"""What a run holds: curves and headline figures as metrics, everything else as tables, its images as a dataset.

Each function sends what it logs in one request; kedro-mlflow's own datasets send every number on its own.
"""

import csv
import io
import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chest_cancer.jobs.progress import kept_epoch
from chest_cancer.network.manifest import DataSummary, Manifest
from chest_cancer.record import tracking
from chest_cancer.record.names import mlflow_name
from chest_cancer.record.run_name import data_name
from chest_cancer.storage.figures import FIRST_FIGURES, StoredFigure, figures_in, title_of

if TYPE_CHECKING:
    import pandas as pd

HEADLINES = (*FIRST_FIGURES, "patient_roc_auc", "patient_sensitivity", "patient_specificity")
"""Figures that are metrics, to sort and compare runs by. MLflow draws a chart for each metric."""
FIGURES_TABLE, EXTERNAL_TABLE = "figures.csv", "external_figures.csv"
_DIGEST_CHARACTERS = 8
"""So many of a digest are read; the tag `data_digest` has all."""


def log_curves(history: "pd.DataFrame", min_delta: float) -> None:
    """Log a curve for each column of the training history, and apart what it is in the epoch whose weights were kept.

    Lists of runs show the last point of a curve, which is that of another epoch.

    Args:
        history: `loss`, `val_loss` and other figures, a row per epoch, from 1.
        min_delta: Smallest fall of the validation loss that counted.
    """
    _log({f"epochs/{mlflow_name(str(name))}": list(enumerate(values, start=1)) for name, values in history.items()})
    kept = kept_epoch(history["val_loss"].tolist(), min_delta)
    figures = {"epoch": kept} | {str(name): float(values.iloc[kept - 1]) for name, values in history.items()}
    _log({f"kept/{mlflow_name(name)}": [(0, value)] for name, value in figures.items()})


def log_figures(metrics: Mapping[str, Any]) -> None:
    """Log the headline figures, and a table with all figures, their intervals and n.

    Args:
        metrics: What `metrics.json` holds.
    """
    figures = figures_in(metrics)
    log_headlines("test", figures)
    log_table([{"figure": name, **figure, "title": title_of(name)} for name, figure in figures.items()], FIGURES_TABLE)


def log_headlines(kind: str, figures: Mapping[str, StoredFigure | None]) -> None:
    """Log the values of headline figures as `<kind>/<figure>`.

    Args:
        kind: What they are of, such as `test`.
        figures: By name; those without a value, and those that are no headlines, are left out.
    """
    # Step 0 alone is drawn as a bar, not as a curve of one point.
    _log(
        {
            f"{kind}/{name}": [(0, figure["value"])]
            for name in HEADLINES
            if (figure := figures.get(name)) and figure["value"] is not None
        }
    )


def log_table(rows: Iterable[Mapping[str, Any]], name: str) -> None:
    """Log rows as a CSV file, which MLflow shows as a table; what is None is empty.

    Args:
        rows: Each with the same columns.
        name: Of the file.
    """
    import mlflow

    run, listed = mlflow.active_run(), list(rows)
    if run is None or not listed:
        return
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, list(listed[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(listed)
    mlflow.MlflowClient().log_text(run.info.run_id, buffer.getvalue(), name)


def log_dataset(data: DataSummary) -> None:
    """Log the images that a run works on: name, digest, and how many there are of whom and of what."""
    import mlflow
    from mlflow.entities import Dataset, DatasetInput, InputTag

    run = mlflow.active_run()
    if run is None:
        return
    counts = data.model_dump(include={"files", "images", "quarantined", "distinct_by_pixels", "patients", "classes"})
    dataset = Dataset(
        name=data_name(data.location),
        digest=data.digest[:_DIGEST_CHARACTERS],
        source_type=data.kind,
        source=json.dumps({"source": data_name(data.location), "synthetic": data.synthetic}),
        profile=json.dumps(counts, ensure_ascii=False),
    )
    context = InputTag("mlflow.data.context", "training, validation and test")
    mlflow.MlflowClient().log_inputs(run.info.run_id, datasets=[DatasetInput(dataset, [context])])


def log_origin(manifest: Manifest) -> None:
    """Tag the active run with what its classifier was made from, and log its images."""
    import mlflow

    tags = {
        "data_digest": manifest.data.digest,
        "split_digest": manifest.split_digest,
        "precision": manifest.precision,
    }
    mlflow.set_tags({name: value for name, value in tags.items() if value is not None})
    log_dataset(manifest.data)


def log_trials(trials: "pd.DataFrame") -> None:
    """Log each trial of a search as a run inside the active one."""
    import mlflow
    import pandas as pd
    from mlflow.entities import Metric, Param

    parent, client = mlflow.active_run(), mlflow.MlflowClient()
    if parent is None:
        return
    now = int(time.time() * 1000)
    for row in trials.to_dict("records"):
        tags = {tracking.PARENT_TAG: parent.info.run_id}
        run = client.create_run(parent.info.experiment_id, run_name=f"trial {row.pop('trial')}", tags=tags)
        figures = {name: row.pop(name) for name in ("loss", "seconds")}
        metrics = [Metric(name, value, now, 0) for name, value in figures.items() if not pd.isna(value)]
        params = [Param(f"model_training.{name}", str(value)) for name, value in row.items() if not pd.isna(value)]
        client.log_batch(run.info.run_id, metrics, params)
        # Without a loss it was given up.
        client.set_terminated(run.info.run_id, "KILLED" if pd.isna(figures["loss"]) else "FINISHED")


def _log(series: Mapping[str, list[tuple[int, float]]]) -> None:
    """Log pairs of step and value to the active run."""
    import mlflow
    from mlflow.entities import Metric

    run = mlflow.active_run()
    if run is None:
        return
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, step) for name, points in series.items() for step, value in points]
    mlflow.MlflowClient().log_batch(run.info.run_id, metrics)
