"""The frozen convolutions run once per image; near-duplicates; the split."""

from chest_cancer.pipelines.feature_extraction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
