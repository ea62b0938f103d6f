"""Audits of the classifier: what it refuses, what it looks at, what changes its answers."""

from chest_cancer.pipelines.model_audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
