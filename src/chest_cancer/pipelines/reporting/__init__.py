"""Plots, the report and the model card."""

from chest_cancer.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
