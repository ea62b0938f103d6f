"""A search for better parameters of the head; not in the default run."""

from chest_cancer.pipelines.hyperparameter_search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
