"""VGG16 in Keras: built with given weights, cut in two, and put together again with its head.

Keras is imported inside the functions, so that code that only needs the names does not wait for it.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.frame import SIDE

KerasModel = Any
"""A `keras.Model`. Kedro resolves the type hints of nodes when a run starts, and importing Keras takes five seconds."""

CONVOLUTIONS = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3}
"""Convolutions in each block of VGG16 (Simonyan and Zisserman, 2015, configuration D)."""
LAYERS = tuple(f"block{block}_conv{i}" for block, depth in CONVOLUTIONS.items() for i in range(1, depth + 1))

Weights = dict[str, NDArray[np.float32]]
"""`<layer>/kernel` (HWIO) and `<layer>/bias` of convolutions."""


def digest(weights: Weights) -> str:
    """SHA-256 of the weights in the order of the layers, or an empty text where a layer is missing."""
    sha256 = hashlib.sha256()
    for layer in LAYERS:
        for part in ("kernel", "bias"):
            array = weights.get(f"{layer}/{part}")
            if array is None:
                return ""
            sha256.update(np.ascontiguousarray(array, dtype="<f4").data)
    return sha256.hexdigest()


def build_vgg16(weights: Weights) -> KerasModel:
    """Build VGG16's frozen convolutions.

    Args:
        weights: `<layer>/kernel` (HWIO) and `<layer>/bias`, float32.

    Returns:
        `keras.applications.VGG16` without its top, from preprocessed images [N, 224, 224, 3] to maps [N, 7, 7, 512].
    """
    import keras

    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([weights[f"{layer.name}/kernel"], weights[f"{layer.name}/bias"]])
    model.trainable = False
    return model


def shape_before(layer: str | None, weights: Weights) -> tuple[int, ...]:
    """Shape of what a layer receives of one image, (h, w, C); with None that of the pooled last map, (1024,)."""
    if layer is None:
        return (2 * weights[f"{LAYERS[-1]}/bias"].size,)
    side = SIDE // 2 ** (int(layer[5]) - 1)
    return (side, side, weights[f"{layer}/kernel"].shape[2])


def untrained_top(shape: tuple[int, ...]) -> KerasModel:
    """Build the top where no convolution is trained: a model that returns its input, [N, *shape]."""
    import keras

    features = keras.Input(shape, name="features")
    return keras.Model(features, features, name="trainable_top")


def trainable_top(weights: Weights, cut: str, precision: str = "fp32") -> KerasModel:
    """Build what is trained: the layers from `cut` on, and the pooling.

    Args:
        weights: `<layer>/kernel` (HWIO) and `<layer>/bias`, float32.
        cut: First layer that is trained.
        precision: What its layers compute in, `bf16` or `fp32`; weights, gradients and pooling are fp32.

    Returns:
        A model from the cut's input [N, h, w, C] to pooled features [N, 1024].
    """
    import keras

    from chest_cancer.network.winograd import WinogradConv2D

    policy = {"bf16": "mixed_bfloat16", "fp32": "float32"}[precision]
    features = keras.Input(shape_before(cut, weights), name="features")
    output = features
    for layer in LAYERS[LAYERS.index(cut) :]:
        kernel, bias = weights[f"{layer}/kernel"], weights[f"{layer}/bias"]
        convolution = WinogradConv2D(
            bias.size, kernel.shape[:2], padding="same", activation="relu", dtype=policy, name=layer
        )
        output = convolution(output)
        convolution.set_weights([kernel, bias])
        if layer.endswith(f"_conv{CONVOLUTIONS[int(layer[5])]}"):
            output = keras.layers.MaxPooling2D(2, dtype=policy, name=f"{layer[:6]}_pool")(output)
    return keras.Model(features, pool(output), name="trainable_top")


def pool(feature_map: Any) -> Any:
    """Spatial mean and max of a map [N, h, w, C], side by side: [N, 2 C]."""
    import keras

    mean = keras.layers.GlobalAveragePooling2D(name="mean")(feature_map)
    return keras.layers.Concatenate(name="pooled")([mean, keras.layers.GlobalMaxPooling2D(name="max")(feature_map)])


def whole_model(vgg16: KerasModel, head: KerasModel, reads: str | None, temperature: float) -> KerasModel:
    """Join convolutions and head behind VGG16's own preprocessing.

    Args:
        vgg16: Convolutions, from preprocessed images [N, 224, 224, 3] to [N, 7, 7, 512].
        head: From pooled features [N, 1024], or from what `reads` receives, to logits [N, K].
        reads: The convolution whose input the head reads; None where it reads pooled features.
        temperature: Divisor of the logits.

    Returns:
        A model from RGB 0..255 [N, 224, 224, 3] to probabilities [N, K].
    """
    import keras

    image = keras.Input((SIDE, SIDE, 3), name="image")
    preprocessed = keras.applications.vgg16.preprocess_input(image)
    if reads is None:
        read = pool(vgg16(preprocessed))
    else:
        read = keras.Model(vgg16.input, vgg16.get_layer(reads).input, name="convolutions")(preprocessed)
    scaled = keras.layers.Rescaling(1 / temperature, name="temperature")(head(read))
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(scaled), name="chest_cancer")
