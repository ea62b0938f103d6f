"""Wiring of model_preparation."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.model_preparation.nodes import choose_weights, cut_base, cut_top


def create_pipeline() -> Pipeline:
    """ImageNet weights to frozen base and trainable top."""
    cut = ["imagenet_weights", "params:model_preparation", "params:model_training.head"]
    return Pipeline(
        [
            Node(
                func=choose_weights,
                inputs="params:model_preparation",
                outputs="imagenet_weights",
                name="choose_weights_node",
            ),
            Node(func=cut_base, inputs=cut, outputs="frozen_base", name="cut_base_node"),
            Node(func=cut_top, inputs=cut, outputs="trainable_top", name="cut_top_node"),
        ],
        namespace="model_preparation",
        prefix_datasets_with_namespace=False,
    )
