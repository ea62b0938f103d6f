"""The linear head in cross-validation: what scikit-learn's says, whatever is not in the training folds."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from chest_cancer.network.heads.logistic import PENALTY
from chest_cancer.statistics.cross_validation import draw_folds, predict_out_of_fold
from chest_cancer.statistics.linear_heads import LinearHeads

COUNT = 150


def images(classes: int, width: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    groups = np.arange(COUNT) // 3
    # Classes of different sizes, so that it counts how they are weighed.
    numbers = np.minimum(generator.integers(0, classes + 1, COUNT)[3 * groups], classes - 1)
    features = generator.standard_normal((COUNT, 6)) @ generator.standard_normal((6, width))
    features += generator.standard_normal((COUNT, width)) + np.eye(classes, width)[numbers] * 2
    features[:, -1] = 3.0  # a feature that never changes
    return features.astype(np.float32), numbers, groups


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("copies", [0, 30])
def test_probabilities_are_those_of_logistic_regression(classes: int, copies: int) -> None:
    features, numbers, groups = images(classes)
    spread = features.std(axis=0)
    standard = ((features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(float)
    files = np.concatenate([np.arange(COUNT), np.arange(copies)])
    draws = draw_folds(numbers[files], groups[files], 0, 4)

    found = LinearHeads(features, numbers).predict_out_of_fold(draws, files)

    best = LogisticRegression(C=PENALTY, class_weight="balanced", tol=1e-8, max_iter=5000)
    np.testing.assert_allclose(found, predict_out_of_fold(best, standard[files], numbers[files], draws), atol=0.02)


def test_labels_of_images_that_are_predicted_make_no_difference() -> None:
    features, numbers, groups = images(2)
    folds = draw_folds(numbers, groups, 0, 1)[0][:1]
    tested = folds[0][1]
    swapped = numbers.copy()
    swapped[tested] = 1 - swapped[tested]

    found, again = (
        LinearHeads(features, labels).predict_out_of_fold([folds])[0, tested] for labels in (numbers, swapped)
    )

    np.testing.assert_array_equal(found, again)


def test_a_class_that_training_images_lack_is_never_said() -> None:
    features, numbers, _ = images(3)
    train, test = np.flatnonzero(numbers < 2), np.flatnonzero(numbers == 2)

    found = LinearHeads(features, numbers).predict_out_of_fold([[(train, test)]])[0, test]

    assert found[:, 2].tolist() == [0] * len(test)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
