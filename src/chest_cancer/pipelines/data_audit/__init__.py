"""Audits of the images, without a trained classifier: copies, leakage, shortcuts."""

from chest_cancer.pipelines.data_audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
