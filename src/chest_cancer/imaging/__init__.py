"""Understands pixels: image bytes in, arrays out, with neither Kedro nor TensorFlow nor MLflow."""
