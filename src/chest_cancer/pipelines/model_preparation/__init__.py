"""VGG16 with ImageNet weights, cut into a frozen base and a trainable top."""

from chest_cancer.pipelines.model_preparation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
