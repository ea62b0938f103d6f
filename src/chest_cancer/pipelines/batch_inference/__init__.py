"""Predictions for a folder of images."""

from chest_cancer.pipelines.batch_inference.pipeline import create_pipeline

__all__ = ["create_pipeline"]
