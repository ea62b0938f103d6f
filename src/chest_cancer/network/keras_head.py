"""Training in Keras: a head on the trainable top, its fit and its predictions."""

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.jobs import progress
from chest_cancer.jobs.long_work import LongWork
from chest_cancer.network.embedding import by_kind
from chest_cancer.network.features import LabelledFeatures
from chest_cancer.network.heads.head import Training
from chest_cancer.network.heads.registry import HEADS
from chest_cancer.parameters.blocks import ModelTrainingParameters

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

logger = logging.getLogger(__name__)

History = pd.DataFrame
"""Figures of training, a row an epoch."""

_PREDICTION_BATCH = 64
_MOST_STEPS = 50
"""Of training, that TensorFlow makes in one call, as a head's take less time than a call; Ctrl-C waits for them."""


def require_gpu() -> None:
    """See that TensorFlow has a GPU to train convolutions on, before any work.

    Raises:
        ValueError: It sees none.
    """
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        built = "with" if tf.test.is_built_with_cuda() else "without"
        raise ValueError(
            "Invalid value for `runtime.device`: expected auto or cpu, as TensorFlow, which trains the convolutions of "
            f"`model_preparation.fine_tune_from`, sees no GPU. Received: cuda, and TensorFlow {tf.__version__} {built} "
            "CUDA. `make gpu` installs what a GPU needs besides its driver."
        )


def build_model(
    top: "keras.Model",
    features: NDArray[np.float32],
    classes: int,
    head: str,
    parameters: ModelTrainingParameters,
    seed: int,
) -> "keras.Model":
    """Put a head on the trainable top.

    Args:
        top: Trainable top, from the base's features to what the head reads: pooled features [N, 1024], or a map
            [N, h, w, C].
        features: Training features; what the head reads of them sets its standardisation.
        classes: Number of classes K.
        head: Name of the head in `HEADS`.
        parameters: The block `model_training`.
        seed: Random seed for what the head draws.

    Returns:
        A compiled model from the base's features to logits [N, K], in two parts: `top.name` and `head`.
    """
    import keras

    read = keras.Input(top.output.shape[1:], name="read")
    learnt_from = predict(top, features) if top.weights else features
    mean, variance = _statistics(learnt_from)
    standardised = keras.layers.Normalization(mean=mean, variance=variance, name="standardise")(read)
    training = Training(lambda: (learnt_from - mean) / np.sqrt(variance), parameters, seed)
    hidden = HEADS[head].build_hidden(standardised, training)
    hidden = keras.layers.Dropout(parameters.dropout, name="dropout")(hidden)
    penalty = keras.regularizers.L2(parameters.l2)
    # From zero: with fewer images than features, training never reaches most directions, and what random weights leave
    # there is noise, in predictions on other images and above all in evidence maps.
    scores = keras.layers.Dense(classes, kernel_initializer="zeros", kernel_regularizer=penalty, name="logits")(hidden)
    logits = HEADS[head].pool_scores(scores)
    inputs = keras.Input(top.input.shape[1:], name="base_features")
    model = keras.Model(inputs, keras.Model(read, logits, name="head")(top(inputs)), name="trained_top")
    model.compile(
        optimizer=_optimizer(parameters),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # Steps of convolutions take seconds.
        steps_per_execution=1 if top.weights else min(-(-len(features) // parameters.batch_size), _MOST_STEPS),
    )
    return model


def embed(top: "keras.Model", features: LabelledFeatures) -> NDArray[np.float32]:
    """Look up the embeddings of images, or compute them where convolutions below them were trained.

    Args:
        top: The trained top.
        features: Stored features of the images.

    Returns:
        Pooled features of the last map, [n, 1024].
    """
    return predict(top, features.inputs) if top.weights else features.embeddings


def predict(model: "keras.Model", inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute a model's outputs, batch by batch.

    Args:
        model: A model with one input and one output.
        inputs: [N, ...].

    Returns:
        Outputs, float32 [N, ...].
    """
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(inputs).batch(_PREDICTION_BATCH)
    outputs: NDArray[np.float32] = model.predict(without_tuning(batches), verbose=0)
    return outputs


def _statistics(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance of each feature, over images and cells.

    A feature that hardly varies in training would become huge wherever it does vary. So a variance is at least a
    hundredth of the mean variance of its kind (spatial means, spatial maxima; channels of a map).
    """
    samples = tuple(range(features.ndim - 1))
    variance = features.var(axis=samples)
    kinds = by_kind(variance) if features.ndim == 2 else variance[None]
    floored = np.maximum(kinds, 0.01 * kinds.mean(axis=1, keepdims=True) + np.finfo(np.float32).eps)
    return features.mean(axis=samples), floored.ravel()


def _optimizer(parameters: ModelTrainingParameters) -> "keras.optimizers.Optimizer":
    import keras

    if parameters.optimizer == "sgd":
        return keras.optimizers.SGD(parameters.learning_rate)
    return keras.optimizers.Adam(parameters.learning_rate)


def fit(
    model: "keras.Model",
    training: tuple[NDArray[np.float32], NDArray[np.int64]],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    parameters: ModelTrainingParameters,
    seed: int,
    *,
    is_told: bool = False,
) -> History:
    """Train until the validation loss stops falling; the model keeps the weights of its best epoch.

    Args:
        model: What `build_model` returned.
        training: Features and class numbers.
        validation: Features and class numbers.
        parameters: The block `model_training`.
        seed: Random seed for the order of the images.
        is_told: Whether people are told what is done, and how far it is.

    Returns:
        `loss`, `accuracy`, `val_loss` and `val_accuracy`, a row per epoch; the index counts from 1.
    """
    import keras
    import tensorflow as tf

    features, labels = training
    counts = np.bincount(labels)
    class_weights = len(labels) / (len(counts) * counts) if parameters.class_weights else np.ones(len(counts))
    # Arrays given to `fit` are wrapped anew in every epoch: several times as long as a linear head takes to train.
    batches = tf.data.Dataset.from_tensor_slices((features, labels, class_weights[labels].astype(np.float32)))
    batches = batches.shuffle(len(labels), seed=seed).batch(parameters.batch_size)
    held_back = tf.data.Dataset.from_tensor_slices(validation).batch(_PREDICTION_BATCH).cache()
    stopping = keras.callbacks.EarlyStopping(
        patience=parameters.early_stopping.patience,
        min_delta=parameters.early_stopping.min_delta,
        restore_best_weights=True,
    )

    def report(epoch: int, logs: dict[str, float]) -> None:
        figures = {name: float(value) for name, value in logs.items()}
        progress.report("epoch", epoch=epoch + 1, epochs=parameters.epochs, figures=figures)
        if work is not None:
            work.update()

    if is_told:
        device = "cuda" if tf.config.list_physical_devices("GPU") else "cpu"
        logger.info("Training on %d images, for at most %d epochs (%s).", len(labels), parameters.epochs, device)
    with LongWork("Training", parameters.epochs, "epochs") if is_told else nullcontext() as work:
        history = model.fit(
            without_tuning(batches),
            validation_data=without_tuning(held_back),
            epochs=parameters.epochs,
            callbacks=[stopping, keras.callbacks.LambdaCallback(on_epoch_end=report)],
            shuffle=False,
            verbose=0,
        )
    return pd.DataFrame(history.history, index=pd.RangeIndex(1, len(history.epoch) + 1, name="epoch"), dtype=float)


def without_tuning(batches: "tf.data.Dataset") -> "tf.data.Dataset":
    """Turn tf.data's tuning off: it sleeps 10, 20, 40, ... ms, and the end of an epoch waits until it wakes.

    Args:
        batches: Batches for a model.

    Returns:
        The same batches, in as little as half the time.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def tuned_weights(model: "keras.Model") -> dict[str, Any]:
    """Read the convolutions that were trained.

    Args:
        model: What `build_model` returned, trained.

    Returns:
        `<layer>/kernel` (HWIO) and `<layer>/bias` of each convolution above the cut; empty without a cut.
    """
    convolutions = [layer for layer in model.get_layer("trainable_top").layers if layer.weights]
    return {
        f"{layer.name}/{part}": array
        for layer in convolutions
        for part, array in zip(("kernel", "bias"), layer.get_weights(), strict=True)
    }
