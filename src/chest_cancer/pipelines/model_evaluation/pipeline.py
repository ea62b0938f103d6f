"""Wiring of model_evaluation."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.pipelines.model_evaluation.data_audits import audit_baselines, audit_leakage, find_duplicates
from chest_cancer.pipelines.model_evaluation.model_audits import audit_evidence, audit_refusal, audit_robustness
from chest_cancer.pipelines.model_evaluation.nodes import (
    measure_performance,
    plot_evaluation,
    predict_test_images,
    write_data_card,
    write_model_card,
    write_report,
)
from chest_cancer.pipelines.model_evaluation.promotion import compare_with_champion
from chest_cancer.reporting.pictures import draw_evidence_examples

_PLOTS = ("confusion", "roc", "reliability", "history", "leakage", "shortcuts", "refusal", "deletion", "robustness")
_AUDITS = ("duplicates", "leakage", "shortcuts", "refusal", "evidence", "robustness")


def create_pipeline() -> Pipeline:
    """Classifier and test images to figures, audits, plots, the report and the cards."""
    described = {"metrics": "metrics", "classifier": "classifier", "parameters": "params:model_evaluation"}
    audits = {f"{name}_audit": f"{name}_audit" for name in _AUDITS}
    plots = {f"{name}_plot": f"{name}_plot" for name in _PLOTS}
    return Pipeline(
        [
            Node(
                func=predict_test_images,
                inputs=["raw_images", "split_table", "classifier"],
                outputs=["test_predictions", "test_evidence"],
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
                inputs=["test_predictions", "metrics", "classifier", "training_history", "params:model_evaluation"],
                outputs=["confusion_plot", "roc_plot", "reliability_plot", "history_plot"],
                name="plot_evaluation_node",
            ),
            Node(
                func=draw_evidence_examples,
                inputs=["raw_images", "test_predictions", "test_evidence", "classifier", "params:seed"],
                outputs="evidence_examples",
                name="draw_evidence_examples_node",
            ),
            Node(
                func=find_duplicates,
                inputs=["raw_images", "split_table", "features", "quarantine", "params:model_evaluation"],
                outputs="duplicates_audit",
                name="find_duplicates_node",
            ),
            Node(
                func=audit_leakage,
                inputs=["split_table", "features", "classifier", "params:model_evaluation", "params:seed"],
                outputs=["leakage_audit", "leakage_plot"],
                name="audit_leakage_node",
            ),
            Node(
                func=audit_baselines,
                inputs=[
                    "raw_images",
                    "split_table",
                    "features",
                    "classifier",
                    "params:model_evaluation",
                    "params:seed",
                ],
                outputs=["shortcuts_audit", "shortcuts_plot"],
                name="audit_baselines_node",
            ),
            Node(
                func=audit_refusal,
                inputs=["test_predictions", "classifier", "params:model_evaluation", "params:seed"],
                outputs=["refusal_audit", "refusal_plot"],
                name="audit_refusal_node",
            ),
            Node(
                func=audit_evidence,
                inputs=[
                    "raw_images",
                    "test_predictions",
                    "test_evidence",
                    "classifier",
                    "params:model_evaluation",
                    "params:seed",
                ],
                outputs=["evidence_audit", "deletion_plot"],
                name="audit_evidence_node",
            ),
            Node(
                func=audit_robustness,
                inputs=["raw_images", "test_predictions", "classifier", "params:model_evaluation", "params:seed"],
                outputs=["robustness_audit", "robustness_plot"],
                name="audit_robustness_node",
            ),
            Node(
                func=compare_with_champion,
                inputs=[
                    "raw_images",
                    "split_table",
                    "test_predictions",
                    "classifier",
                    "champion",
                    "params:model_evaluation",
                    "params:seed",
                ],
                outputs="promotion",
                name="compare_with_champion_node",
            ),
            Node(
                func=write_report,
                inputs=described
                | {name: name for name in ("quarantine", "promotion", "evidence_examples")}
                | audits
                | plots,
                outputs="report",
                name="write_report_node",
            ),
            Node(
                func=write_model_card,
                inputs=described | audits | {"test_predictions": "test_predictions"},
                outputs="model_card",
                name="write_model_card_node",
            ),
            Node(
                func=write_data_card,
                inputs={
                    "parameters": "params:feature_extraction",
                    "duplicates_audit": "duplicates_audit",
                    "leakage_audit": "leakage_audit",
                    "shortcuts_audit": "shortcuts_audit",
                }
                | {name: name for name in ("classifier", "split_table", "quarantine")},
                outputs="data_card",
                name="write_data_card_node",
            ),
        ],
        tags="model_evaluation",
    )
