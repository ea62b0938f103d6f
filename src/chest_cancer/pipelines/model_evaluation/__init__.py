"""Figures on the locked test groups, and the gate that promotes a model."""

from chest_cancer.pipelines.model_evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
