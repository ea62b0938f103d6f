"""Wiring of model_evaluation."""

from kedro.pipeline import Node, Pipeline

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
                func=write_report,
                inputs=["metrics", "classifier", "quarantine", "confusion_plot", "roc_plot", "history_plot"],
                outputs="report",
                name="write_report_node",
            ),
        ],
        tags="model_evaluation",
    )
