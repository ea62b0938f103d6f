"""The public projects' recipe, in our own words: every image through the whole network in every epoch.

VGG16 frozen, flatten, dense softmax; SGD 0.01, batch 32, 5 epochs; rotation 40 degrees, mirror, shift, shear and zoom
0.2; pixels over 255. The model is saved, loaded again and evaluated, and the record goes to MLflow, as theirs do. They
validate on a random fifth of the files; here that fifth is given, so that no twin of a training image is in it.

A process of its own: `python -m benchmarks.reference <images> <results> <weights.npz>`; `images` has `training` and
`validation`, each with class folders.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EPOCHS, BATCH, SIDE = 5, 32, 224
AUGMENTATION = {
    "rotation_range": 40,
    "horizontal_flip": True,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
}


def main(images: Path, results: Path, weights_file: Path) -> None:
    import keras
    import mlflow
    import numpy as np
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from chest_cancer.network.vgg16 import build_vgg16

    keras.utils.set_random_seed(0)
    with np.load(weights_file) as weights:
        base = build_vgg16(dict(weights))
    classes = len(list((images / "training").iterdir()))
    output = keras.layers.Dense(classes, activation="softmax")(keras.layers.Flatten()(base.output))
    model = keras.Model(base.input, output)
    model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", metrics=["accuracy"])

    shape = {"target_size": (SIDE, SIDE), "batch_size": BATCH, "interpolation": "bilinear"}
    training = ImageDataGenerator(rescale=1 / 255, **AUGMENTATION).flow_from_directory(images / "training", **shape)
    validation = ImageDataGenerator(rescale=1 / 255).flow_from_directory(images / "validation", shuffle=False, **shape)

    start = time.perf_counter()
    model.fit(training, validation_data=validation, epochs=EPOCHS, verbose=0)
    fitted = time.perf_counter() - start
    model.save(results / "model.keras")

    model = keras.saving.load_model(results / "model.keras")
    start = time.perf_counter()
    loss, accuracy = model.evaluate(validation, verbose=0)
    evaluated = time.perf_counter() - start

    mlflow.set_tracking_uri(f"sqlite:///{results / 'mlflow.db'}")
    with mlflow.start_run():
        mlflow.log_params({"epochs": EPOCHS, "batch_size": BATCH} | AUGMENTATION)
        mlflow.log_metrics({"loss": loss, "accuracy": accuracy})
        mlflow.log_artifact(str(results / "model.keras"))
    (results / "figures.json").write_text(json.dumps({"compute": fitted + evaluated, "accuracy": accuracy}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
