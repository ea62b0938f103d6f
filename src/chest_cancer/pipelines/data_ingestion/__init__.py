"""Images from wherever they are, each one opened; what can't be used is listed with its reason."""

from chest_cancer.pipelines.data_ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
