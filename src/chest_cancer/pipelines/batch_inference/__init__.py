"""Predictions for the images of any source; not in the default run."""

from chest_cancer.pipelines.batch_inference.pipeline import create_pipeline

__all__ = ["create_pipeline"]
