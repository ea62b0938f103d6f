"""Features from the frozen convolutions, once per image; groups of near-duplicates; the split."""

from chest_cancer.pipelines.feature_extraction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
