"""Wiring of model_evaluation."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.model_evaluation.nodes import measure_performance, predict_test_images
from chest_cancer.pipelines.model_evaluation.promotion import compare_with_champion
from chest_cancer.reporting.pictures import show_test_images


def create_pipeline() -> Pipeline:
    """Candidate and test images to figures, examples and the decision of the gate."""
    return Pipeline(
        [
            Node(
                func=predict_test_images,
                inputs=["raw_images", "split_table", "candidate"],
                outputs=["test_predictions", "test_evidence"],
                name="predict_test_images_node",
            ),
            Node(
                func=measure_performance,
                inputs=["test_predictions", "split_table", "candidate", "params:model_evaluation", "params:seed"],
                outputs="metrics",
                name="measure_performance_node",
            ),
            Node(
                func=show_test_images,
                inputs=["raw_images", "test_predictions", "test_evidence", "candidate", "params:seed"],
                outputs=["evidence_examples", "gallery"],
                name="show_test_images_node",
            ),
            Node(
                func=compare_with_champion,
                inputs=[
                    "raw_images",
                    "split_table",
                    "test_predictions",
                    "candidate",
                    "champion",
                    "params:model_evaluation",
                ],
                outputs="promotion",
                name="compare_with_champion_node",
            ),
        ],
        namespace="model_evaluation",
        prefix_datasets_with_namespace=False,
    )
