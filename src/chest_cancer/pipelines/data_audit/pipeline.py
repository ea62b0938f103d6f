"""Wiring of data_audit."""

from kedro.pipeline import Node, Pipeline

from chest_cancer.audits.audit import node_of
from chest_cancer.audits.registry import DATA_AUDITS
from chest_cancer.pipelines.data_audit.nodes import look_at_sample, take_sample, write_data_card, write_data_report


def create_pipeline() -> Pipeline:
    """Images, features and split to the audits of the data, the data report and the data card."""
    described = {name: name for name in ("data_summary", "split_table", "quarantine")}
    facts = {audit.facts_dataset: audit.facts_dataset for audit in DATA_AUDITS}
    shown = {name: name for audit in DATA_AUDITS for name in audit.shown}
    return Pipeline(
        [
            Node(
                func=take_sample,
                inputs=["split_table", "features", "params:model_evaluation", "params:seed"],
                outputs="audit_sample",
                name="take_sample_node",
            ),
            Node(
                func=look_at_sample,
                inputs=["raw_images", "audit_sample", "params:feature_extraction", "params:model_evaluation"],
                outputs="audit_looks",
                name="look_at_sample_node",
            ),
            *map(node_of, DATA_AUDITS),
            Node(
                func=write_data_report,
                inputs=described | shown | {"raw_images": "raw_images", "seed": "params:seed"},
                outputs="data_report",
                name="write_data_report_node",
            ),
            Node(
                func=write_data_card,
                inputs=described | facts | {"parameters": "params:feature_extraction"},
                outputs="data_card",
                name="write_data_card_node",
            ),
        ],
        namespace="data_audit",
        prefix_datasets_with_namespace=False,
    )
