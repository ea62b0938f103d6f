"""Training of the head, its calibration, and the classifier as one artefact."""

from chest_cancer.pipelines.model_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
