"""Wiring of feature_extraction."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.feature_extraction.nodes import extract_features, extract_training_views, split_images


def create_pipeline() -> Pipeline:
    """Images and frozen base to features, groups and splits."""
    return Pipeline(
        [
            Node(
                func=extract_features,
                inputs=["raw_images", "image_index", "frozen_base", "feature_store", "params:feature_extraction"],
                outputs=["features", "extraction_record"],
                name="extract_features_node",
            ),
            Node(
                func=split_images,
                inputs=["image_index", "features", "params:feature_extraction", "params:seed"],
                outputs="split_table",
                name="split_images_node",
            ),
            Node(
                func=extract_training_views,
                inputs=[
                    "raw_images",
                    "split_table",
                    "frozen_base",
                    "feature_store",
                    "params:feature_extraction",
                    "params:seed",
                ],
                outputs="training_views",
                name="extract_training_views_node",
            ),
        ],
        namespace="feature_extraction",
        prefix_datasets_with_namespace=False,
    )
