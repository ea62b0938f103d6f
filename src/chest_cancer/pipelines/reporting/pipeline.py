"""Wiring of reporting."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.audits.registry import AUDITS
from chest_cancer.pipelines.reporting.nodes import PLOTS, plot_evaluation, state_verdict, write_model_card, write_report


def create_pipeline() -> Pipeline:
    """Figures and what the audits found to plots, the report and the model card."""
    described = {"metrics": "metrics", "classifier": "candidate", "parameters": "params:model_evaluation"}
    plots = [f"evaluation_plot_{name}" for name in PLOTS]
    audits = [audit.facts_dataset for audit in AUDITS]
    shown = [*audits, *(audit.plot_dataset(plot) for audit in AUDITS for plot in audit.plots), *plots]
    return Pipeline(
        [
            Node(
                func=plot_evaluation,
                inputs=[
                    "test_predictions",
                    "metrics",
                    "candidate",
                    "training_history",
                    "params:model_evaluation",
                    "params:model_training.early_stopping.min_delta",
                ],
                outputs=plots,
                name="plot_evaluation_node",
            ),
            Node(
                func=write_report,
                inputs=described | _named("quarantine", "promotion", "gallery", *shown),
                outputs="report",
                name="write_report_node",
            ),
            Node(
                func=state_verdict,
                inputs={"metrics": "metrics", "classifier": "candidate"} | _named(*audits),
                outputs="verdict",
                name="state_verdict_node",
            ),
            Node(
                func=write_model_card,
                inputs=described | _named("test_predictions", *audits),
                outputs="model_card",
                name="write_model_card_node",
            ),
        ],
        namespace="reporting",
        prefix_datasets_with_namespace=False,
    )


def _named(*names: str) -> dict[str, str]:
    return {name: name for name in names}
