"""Wiring of external_validation. Its first steps, which bring and index the images, are data_ingestion's."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.external_validation.figures import compare_figures
from chest_cancer.pipelines.external_validation.nodes import (
    choose_model,
    leave_out_copies,
    predict_external_images,
    predict_own_images,
)
from chest_cancer.pipelines.external_validation.recalibration import try_recalibration
from chest_cancer.pipelines.external_validation.report import PLOTS, plot_sites, write_external_report
from chest_cancer.pipelines.external_validation.shift import measure_shift
from chest_cancer.pipelines.external_validation.summing_up import sum_up


def create_pipeline() -> Pipeline:
    """A trained model and another site's indexed images to figures, their difference, and the page."""
    looks = ["external_predictions", "external_looks", "own_answers", "own_looks"]
    plots = {name: f"external_plot_{name}" for name in PLOTS}
    return Pipeline(
        [
            Node(
                func=choose_model,
                inputs=["trained_models", "params:external_validation"],
                outputs=["validated_model", "validated_classes"],
                name="choose_model_node",
            ),
            Node(
                func=predict_external_images,
                inputs=["external_images", "external_index", "validated_model", "params:external_validation"],
                outputs=["external_answers", "external_looks"],
                name="predict_external_images_node",
            ),
            Node(
                func=predict_own_images,
                inputs=["validated_model", "params:external_validation"],
                outputs=["own_answers", "own_looks"],
                name="predict_own_images_node",
            ),
            Node(
                func=leave_out_copies,
                inputs=[
                    "external_answers",
                    "external_looks",
                    "own_answers",
                    "own_looks",
                    "validated_model",
                    "params:feature_extraction",
                ],
                outputs=["external_predictions", "external_copies"],
                name="leave_out_copies_node",
            ),
            Node(
                func=compare_figures,
                inputs=["external_predictions", "validated_model", "params:model_evaluation", "params:seed"],
                outputs="external_figures",
                name="compare_figures_node",
            ),
            Node(
                func=try_recalibration,
                inputs=[
                    "external_predictions",
                    "params:external_validation",
                    "params:model_evaluation",
                    "params:seed",
                ],
                outputs="external_recalibration",
                name="try_recalibration_node",
            ),
            Node(
                func=measure_shift,
                inputs=[*looks, "params:model_evaluation", "params:seed"],
                outputs="external_shift",
                name="measure_shift_node",
            ),
            Node(
                func=sum_up,
                inputs=[
                    "validated_model",
                    "external_summary",
                    "external_predictions",
                    "external_copies",
                    "external_figures",
                    "external_recalibration",
                    "external_shift",
                ],
                outputs="external_validation",
                name="sum_up_node",
            ),
            Node(
                func=plot_sites,
                inputs=[*looks, "validated_model", "params:model_evaluation"],
                outputs=list(plots.values()),
                name="plot_sites_node",
            ),
            Node(
                func=write_external_report,
                inputs={
                    "external_validation": "external_validation",
                    "external_quarantine": "external_quarantine",
                    "model": "validated_model",
                    "parameters": "params:model_evaluation",
                }
                | plots,
                outputs="external_report",
                name="write_external_report_node",
            ),
        ],
        namespace="external_validation",
        prefix_datasets_with_namespace=False,
    )
