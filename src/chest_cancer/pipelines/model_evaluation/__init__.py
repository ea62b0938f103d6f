"""Figures on the locked test groups, plots and the report."""

from chest_cancer.pipelines.model_evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
