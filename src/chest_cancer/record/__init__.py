"""The experiment record and the model registry, in MLflow."""
