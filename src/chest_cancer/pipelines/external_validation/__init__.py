"""A trained model on another site's labelled images; not in the default run."""

from chest_cancer.pipelines.external_validation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
