"""Understands pixels: image bytes in, arrays out. Imports no Kedro, TensorFlow or MLflow."""
