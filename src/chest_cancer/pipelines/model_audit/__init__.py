"""What the classifier refuses, looks at, and is moved by."""

from chest_cancer.pipelines.model_audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
