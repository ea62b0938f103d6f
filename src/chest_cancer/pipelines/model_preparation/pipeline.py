"""Wiring of model_preparation."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.model_preparation.nodes import choose_weights, cut_vgg16


def create_pipeline() -> Pipeline:
    """ImageNet weights to frozen base and trainable top."""
    return Pipeline(
        [
            Node(
                func=choose_weights,
                inputs="params:model_preparation",
                outputs="imagenet_weights",
                name="choose_weights_node",
            ),
            Node(
                func=cut_vgg16,
                inputs=["imagenet_weights", "params:model_preparation", "params:model_training.head"],
                outputs=["frozen_base", "trainable_top"],
                name="cut_vgg16_node",
            ),
        ],
        namespace="model_preparation",
        prefix_datasets_with_namespace=False,
    )
