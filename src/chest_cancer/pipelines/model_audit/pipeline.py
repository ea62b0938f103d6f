"""Wiring of model_audit."""

from kedro.pipeline import Pipeline

from chest_cancer.audits.audit import node_of
from chest_cancer.audits.registry import MODEL_AUDITS


def create_pipeline() -> Pipeline:
    """Classifier, test images and their predictions to the audits of the model."""
    return Pipeline(map(node_of, MODEL_AUDITS), namespace="model_audit", prefix_datasets_with_namespace=False)
