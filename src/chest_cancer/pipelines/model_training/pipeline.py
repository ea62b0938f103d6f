"""Wiring of model_training."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.model_training.nodes import (
    assemble_classifier,
    calibrate,
    choose_head,
    predict_validation_images,
    trace_origin,
    train_head,
)
from chest_cancer.pipelines.model_training.quantisation import quantise_classifier


def create_pipeline() -> Pipeline:
    """Features and trainable top to a classifier that may become the one that is served."""
    return Pipeline(
        [
            Node(
                func=choose_head,
                inputs=["features", "split_table", "params:model_training", "params:seed"],
                outputs="head_choice",
                name="choose_head_node",
            ),
            Node(
                func=train_head,
                inputs=[
                    "features",
                    "training_views",
                    "split_table",
                    "trainable_top",
                    "head_choice",
                    "params:model_training",
                    "params:seed",
                ],
                outputs=["trained_top", "training_history"],
                name="train_head_node",
            ),
            Node(
                func=calibrate,
                inputs=["trained_top", "features", "split_table", "params:model_training"],
                outputs="calibration",
                name="calibrate_node",
            ),
            Node(
                func=predict_validation_images,
                inputs=["trained_top", "features", "split_table", "calibration"],
                outputs="validation_predictions",
                name="predict_validation_images_node",
            ),
            Node(
                func=trace_origin,
                inputs=["split_table", "extraction_record", "data_summary", "provenance"],
                outputs="origin",
                name="trace_origin_node",
            ),
            Node(
                func=assemble_classifier,
                inputs=[
                    "trained_top",
                    "head_choice",
                    "calibration",
                    "imagenet_weights",
                    "origin",
                    "params:model_training",
                ],
                outputs=["float_classifier", "keras_model"],
                name="assemble_classifier_node",
            ),
            Node(
                func=quantise_classifier,
                inputs=["float_classifier", "raw_images", "split_table", "params:model_training", "params:seed"],
                outputs="candidate",
                name="quantise_classifier_node",
            ),
        ],
        namespace="model_training",
        prefix_datasets_with_namespace=False,
    )
