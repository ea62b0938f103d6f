"""Grouped cross-validation on stored embeddings."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from chest_cancer.pipelines.model_evaluation.intervals import Figure, share
from chest_cancer.pipelines.model_evaluation.metrics import disease_class
from chest_cancer.pipelines.model_evaluation.roc import area_of_classes, area_under_roc, placements

FOLDS = 5
REPEATS = 5
CONFIDENCE = 0.95


def linear_head(seed: int) -> ClassifierMixin:
    """Build a head that is refitted in milliseconds: what the Keras linear head is, with a penalty for early stopping.

    The rotation onto principal components keeps everything that the training images span, so that the penalised
    solution is the same in far fewer dimensions.

    Args:
        seed: Of the rotation's solver.
    """
    return make_pipeline(
        StandardScaler(),
        PCA(random_state=seed),
        LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000),
    )


def out_of_fold(
    model: BaseEstimator,
    features: NDArray[np.floating],
    numbers: NDArray[np.int64],
    groups: NDArray[np.int64],
    seed: int,
    folds: int = FOLDS,
) -> NDArray[np.float64]:
    """Predict every image by a model that saw no image of its group.

    Args:
        model: A scikit-learn classifier with `predict_proba`; refitted in each fold.
        features: [n, D].
        numbers: Class numbers 0 to K - 1, [n].
        groups: Group of each image, [n]; all different for a random split.
        seed: Of the folds.
        folds: Number of folds.

    Returns:
        Probabilities [n, K]; 0 for a class that a fold's training images lack.
    """
    probabilities = np.zeros((len(numbers), int(numbers.max()) + 1))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    # The matrices are small: threads that wait for each other on a shared machine take 30 times as long as one.
    with threadpool_limits(1, user_api="blas"):
        for train, test in splitter.split(features, numbers, groups):
            fitted = clone(model).fit(features[train], numbers[train])
            probabilities[np.ix_(test, fitted.classes_)] = fitted.predict_proba(features[test])
    return probabilities


def repeated_cross_validation(
    embeddings: NDArray[np.floating],
    numbers: NDArray[np.int64],
    groups: NDArray[np.int64],
    classes: list[str],
    normal_class: str | None,
    seed: int,
    folds: int = FOLDS,
    repeats: int = REPEATS,
) -> dict[str, Figure]:
    """Measure the linear head by grouped cross-validation, repeated with other folds.

    Repeats say how much the choice of folds matters; they bring no new images. So each image first has its mean over
    the repeats (of being right; of its placement), and the interval is that of a test set of as many images in as many
    groups (LeDell, Petersen and van der Laan, 2015, Computationally efficient confidence intervals for cross-validated
    AUC estimates): the spread of the 25 fold scores over root 25 would be far too narrow. What another training set
    would change is not in it: no estimate of that without bias exists (Bengio and Grandvalet, 2004).

    Args:
        embeddings: [n, D].
        numbers: Class numbers 0 to K - 1, in the order of `classes`, [n].
        groups: Group of each image, [n].
        classes: Class names.
        normal_class: The class without disease, or None.
        seed: Of the folds of the first repeat; each later one has the next.
        folds: Folds of a repeat.
        repeats: Number of repeats.

    Returns:
        `accuracy`, and `roc_auc` of disease against none for two classes, the mean of each class against the rest for
        more. Each repeat ranks its own out-of-fold probabilities; the value is the mean over repeats.
    """
    predicted = [
        out_of_fold(linear_head(seed), embeddings, numbers, groups, seed + repeat, folds) for repeat in range(repeats)
    ]
    hits = np.mean([probabilities.argmax(axis=1) == numbers for probabilities in predicted], axis=0)
    figures = {"accuracy": share(hits, groups, CONFIDENCE)}

    def placed(k: int) -> NDArray[np.float64]:
        return np.asarray(np.mean([placements(numbers == k, stated[:, k]) for stated in predicted], axis=0))

    if len(classes) == 2:
        disease = classes.index(disease_class(classes, normal_class))
        figures["roc_auc"] = area_under_roc(numbers == disease, placed(disease), groups, CONFIDENCE)
    else:
        columns = np.stack([placed(k) for k in range(len(classes))], axis=1)
        figures["roc_auc"], _ = area_of_classes(numbers, columns, groups, CONFIDENCE)
    return figures
