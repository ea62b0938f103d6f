"""Wiring of batch_inference."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.batch_inference.nodes import describe_inference_source, predict_images


def create_pipeline() -> Pipeline:
    """Classifier and any source of images to a table of predictions."""
    return Pipeline(
        [
            Node(
                func=describe_inference_source,
                inputs=["params:batch_inference", "patient_key"],
                outputs="inference_images",
                name="describe_inference_source_node",
            ),
            Node(
                func=predict_images,
                inputs=["inference_images", "classifier"],
                outputs="predictions",
                name="predict_images_node",
            ),
        ],
        namespace="batch_inference",
        prefix_datasets_with_namespace=False,
    )
