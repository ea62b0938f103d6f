"""Wiring of batch_inference."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.batch_inference.nodes import describe_inference_source, predict_images
from chest_cancer.pipelines.batch_inference.patients import gather_patients, gather_studies
from chest_cancer.pipelines.batch_inference.summary import draw_gallery, list_predictions, sum_up_batch


def create_pipeline() -> Pipeline:
    """Classifier and any source of images to tables of predictions, of patients and of studies, and a page."""
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
                inputs=["inference_images", "classifier", "params:batch_inference", "patient_key"],
                outputs=["predictions", "inference_work", "inference_classifier"],
                name="predict_images_node",
            ),
            Node(
                func=gather_patients,
                inputs=["predictions", "inference_classifier"],
                outputs="patient_predictions",
                name="gather_patients_node",
            ),
            Node(
                func=gather_studies,
                inputs=["predictions", "inference_classifier"],
                outputs="study_predictions",
                name="gather_studies_node",
            ),
            Node(
                func=list_predictions,
                inputs="predictions",
                outputs="predictions_list",
                name="list_predictions_node",
            ),
            Node(
                func=sum_up_batch,
                inputs=["predictions", "patient_predictions", "study_predictions", "inference_work"],
                outputs="batch_summary",
                name="sum_up_batch_node",
            ),
            Node(
                func=draw_gallery,
                inputs=[
                    "inference_images",
                    "predictions",
                    "inference_classifier",
                    "batch_summary",
                    "params:batch_inference",
                    "patient_key",
                ],
                outputs="predictions_gallery",
                name="draw_gallery_node",
            ),
        ],
        namespace="batch_inference",
        prefix_datasets_with_namespace=False,
    )
