"""The wires of data_ingestion."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.data_ingestion.nodes import (
    describe_external_source,
    describe_source,
    index_external_images,
    index_images,
)


def create_pipeline() -> Pipeline:
    """From a source to images on disk, their index, and what had to be left out."""
    return Pipeline(
        [
            Node(
                func=describe_source,
                inputs=["params:data_ingestion", "params:seed", "patient_key"],
                outputs="raw_images",
                name="describe_source_node",
            ),
            Node(
                func=index_images,
                inputs=[
                    "raw_images",
                    "params:data_ingestion",
                    "params:model_training.normal_class",
                    "patient_key",
                    "params:model_training.positive_classes",
                ],
                outputs=["image_index", "quarantine", "data_summary", "image_metadata"],
                name="index_images_node",
            ),
        ],
        namespace="data_ingestion",
        prefix_datasets_with_namespace=False,
    )


def create_external_pipeline() -> Pipeline:
    """The same for another site's images, as a part of external_validation: their classes must be those of a model."""
    return Pipeline(
        [
            Node(
                func=describe_external_source,
                inputs=["params:external_validation", "params:seed", "patient_key"],
                outputs="external_images",
                name="describe_external_source_node",
            ),
            Node(
                func=index_external_images,
                inputs=["external_images", "params:external_validation", "validated_classes", "patient_key"],
                outputs=["external_index", "external_quarantine", "external_summary"],
                name="index_external_images_node",
            ),
        ],
        namespace="external_validation",
        prefix_datasets_with_namespace=False,
    )
