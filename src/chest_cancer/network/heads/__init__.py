"""Heads: what is learned on top of VGG16's features, each in Keras and in ONNX."""
