"""Wiring of model_evaluation."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.model_evaluation.audits import audit_baselines, audit_leakage, find_duplicates
from chest_cancer.pipelines.model_evaluation.nodes import (
    measure_performance,
    plot_evaluation,
    predict_test_images,
    write_report,
)


def create_pipeline() -> Pipeline:
    """Classifier and test images to figures, plots and the report."""
    return Pipeline(
        [
            Node(
                func=predict_test_images,
                inputs=["raw_images", "split_table", "classifier"],
                outputs="test_predictions",
                name="predict_test_images_node",
            ),
            Node(
                func=measure_performance,
                inputs=["test_predictions", "classifier", "params:model_evaluation", "params:seed"],
                outputs="metrics",
                name="measure_performance_node",
            ),
            Node(
                func=plot_evaluation,
                inputs=["test_predictions", "metrics", "classifier", "training_history"],
                outputs=["confusion_plot", "roc_plot", "history_plot"],
                name="plot_evaluation_node",
            ),
            Node(
                func=find_duplicates,
                inputs=["raw_images", "split_table", "features", "quarantine", "params:model_evaluation"],
                outputs="duplicates_audit",
                name="find_duplicates_node",
            ),
            Node(
                func=audit_leakage,
                inputs=["split_table", "features", "classifier", "params:model_evaluation", "params:seed"],
                outputs=["leakage_audit", "leakage_plot"],
                name="audit_leakage_node",
            ),
            Node(
                func=audit_baselines,
                inputs=[
                    "raw_images",
                    "split_table",
                    "features",
                    "classifier",
                    "params:model_evaluation",
                    "params:seed",
                ],
                outputs=["shortcuts_audit", "shortcuts_plot"],
                name="audit_baselines_node",
            ),
            Node(
                func=write_report,
                inputs={
                    "metrics": "metrics",
                    "classifier": "classifier",
                    "quarantine": "quarantine",
                    "confusion_plot": "confusion_plot",
                    "roc_plot": "roc_plot",
                    "history_plot": "history_plot",
                    "duplicates": "duplicates_audit",
                    "leakage": "leakage_audit",
                    "leakage_plot": "leakage_plot",
                    "shortcuts": "shortcuts_audit",
                    "shortcuts_plot": "shortcuts_plot",
                },
                outputs="report",
                name="write_report_node",
            ),
        ],
        tags="model_evaluation",
    )
