"""Nodes of hyperparameter_search."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold

from chest_cancer.jobs.long_work import LongWork
from chest_cancer.network.features import label_features
from chest_cancer.network.keras_head import build_model, fit
from chest_cancer.network.vgg16 import untrained_top
from chest_cancer.parameters.blocks import HyperparameterSearchParameters, ModelTrainingParameters
from chest_cancer.parameters.values import flatten, nest
from chest_cancer.statistics.cross_validation import fewest_groups
from chest_cancer.storage.arrays import Arrays

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

_STARTUP_TRIALS = 5


def search_hyperparameters(
    features: Arrays,
    split_table: pd.DataFrame,
    parameters: HyperparameterSearchParameters,
    model_training: ModelTrainingParameters,
    seed: int,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Search for the head's parameters by grouped cross-validation on training images alone.

    Each trial trains the head anew for each fold. Of the folds that are not trained on, one stops the training and
    another one measures: the loss is that of images that the head has met in neither way. First the parameters of
    today are tried, where they lie in the ranges, so that the best trial is no worse. Then the tree-structured Parzen
    estimator (Bergstra et al., 2011, Algorithms for hyper-parameter optimization) proposes the trials; a trial that
    falls behind the median is given up.

    Args:
        features: Features of each distinct image.
        split_table: A row per image, with `label`, `pixel_sha256`, `group` and `split`.
        parameters: The block `hyperparameter_search`.
        model_training: The block `model_training`, for parameters that are not searched for.
        seed: Random seed for folds, proposals and training.

    Returns:
        The best trial's parameters in the shape of `conf/local/parameters.yml`; and a row per trial: `trial`, `loss`
        (missing where the trial was given up), `seconds` and the parameters tried.

    Raises:
        ValueError: A class has fewer groups of training images than there are folds.
    """
    import optuna

    # Of a base that is cut, too: the convolutions above the cut stay as they are while heads are compared.
    pooled = {name: features[name] for name in ("pixel_sha256", "embedding")}
    _, numbers, groups, embeddings = label_features(pooled, split_table, "train")
    today = dict(flatten(model_training.model_dump()))
    folds = _draw_folds(numbers, groups, parameters.folds, seed)

    def objective(trial: "optuna.Trial") -> float:
        block = ModelTrainingParameters.model_validate(nest(today | _propose(trial, parameters)))
        losses: list[float] = []
        for step in range(len(folds)):
            losses.append(_loss(embeddings, numbers, folds, step, block, seed))
            trial.report(float(np.mean(losses)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(losses))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP_TRIALS),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
    )
    for values in _of_today(model_training, parameters):
        study.enqueue_trial(values)
    logger.info("Each of %d trials trains a head at most %d times.", parameters.trials, len(folds))
    with LongWork("Trying parameters", parameters.trials, "trials") as work:
        study.optimize(objective, n_trials=parameters.trials, callbacks=[lambda *_: work.update()])
    return {"model_training": nest(study.best_params)}, _table(study)


def _draw_folds(
    numbers: NDArray[np.int64], groups: NDArray[np.int64], count: int, seed: int
) -> list[NDArray[np.int64]]:
    """Deal images into folds that keep each group whole; return the positions in each fold."""
    fewest = fewest_groups(numbers, groups)
    if fewest < count:
        raise ValueError(
            f"Invalid value for `hyperparameter_search.folds`: expected at most {fewest}, the number of groups "
            f"of training images in the class with the fewest. Received: {count}. A search takes at least 3: where "
            "there are fewer groups, add images of other patients."
        )
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [measured for _, measured in splitter.split(numbers, numbers, groups)]


def _of_today(training: ModelTrainingParameters, search: HyperparameterSearchParameters) -> Iterator[dict[str, Any]]:
    """What a run trains with now, with each head that it may choose, as far as it lies in the ranges."""
    ranges = {"l2": search.l2, "learning_rate": search.learning_rate, "kernel.width": search.kernel_width}
    for head in search.heads:
        values = {"l2": training.l2, "learning_rate": training.learning_rate}
        if head == "kernel":
            values["kernel.width"] = training.kernel.width
        if training.head in ("auto", head) and all(
            ranges[name].low <= value <= ranges[name].high for name, value in values.items()
        ):
            yield {"head": head, **values}


def _propose(trial: "optuna.Trial", parameters: HyperparameterSearchParameters) -> dict[str, Any]:
    values: dict[str, Any] = {
        "head": trial.suggest_categorical("head", parameters.heads),
        "l2": trial.suggest_float("l2", parameters.l2.low, parameters.l2.high, log=True),
        "learning_rate": trial.suggest_float(
            "learning_rate", parameters.learning_rate.low, parameters.learning_rate.high, log=True
        ),
    }
    if values["head"] == "kernel":
        width = parameters.kernel_width
        values["kernel.width"] = trial.suggest_float("kernel.width", width.low, width.high, log=True)
    return values


def _loss(
    embeddings: NDArray[np.float32],
    numbers: NDArray[np.int64],
    folds: list[NDArray[np.int64]],
    step: int,
    block: ModelTrainingParameters,
    seed: int,
) -> float:
    """Train without two folds; one of them stops the training, the other one gives the loss."""
    import keras

    measuring, stopping = folds[step], folds[(step + 1) % len(folds)]
    training = np.setdiff1d(np.arange(len(numbers)), np.concatenate([measuring, stopping]))
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    classes = int(numbers.max()) + 1
    model = build_model(untrained_top(embeddings.shape[1:]), embeddings[training], classes, block.head, block, seed)
    fit(
        model,
        (embeddings[training], numbers[training]),
        (embeddings[stopping], numbers[stopping]),
        block,
        seed,
    )
    probabilities = softmax(np.asarray(model(embeddings[measuring]), dtype=np.float64), axis=1)
    return float(log_loss(numbers[measuring], probabilities, labels=range(classes)))


def _table(study: "optuna.Study") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial": trial.number,
            "loss": trial.value if trial.state.name == "COMPLETE" else np.nan,
            "seconds": trial.duration.total_seconds() if trial.duration else np.nan,
            **trial.params,
        }
        for trial in study.trials
    )
