"""The head that forgets: what it says is what a head says that never saw the images."""

import numpy as np

from chest_cancer.statistics.least_squares import ForgetfulHead

COUNT, WIDTH = 40, 12


def learnt(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(2)
    numbers = generator.integers(0, classes, COUNT)
    features = generator.standard_normal((COUNT, WIDTH))
    features[:, 0] += 4 * numbers
    features[:, -1] = 3.0  # a feature that never changes
    return features, numbers


def refitted(features: np.ndarray, numbers: np.ndarray, train: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The same fit, from the beginning: kernel ridge regression on the training images alone."""
    spread = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    kernel = standard @ standard.T / ((standard**2).sum() / COUNT) + 1
    weights = COUNT / (len(np.unique(numbers)) * np.bincount(numbers)[numbers])
    targets = np.where(numbers[:, None] == np.arange(numbers.max() + 1), 1.0, -1.0)
    solution = np.linalg.solve(kernel[np.ix_(train, train)] + np.diag(0.1 / weights[train]), targets[train])
    return kernel[np.ix_(asked, train)] @ solution


def test_forgetting_is_exactly_a_fit_without_the_images() -> None:
    features, numbers = learnt()
    asked, forgotten = np.arange(5), np.array([7, 11, 30])
    train = np.setdiff1d(np.arange(COUNT), np.concatenate([asked, forgotten]))

    found = ForgetfulHead(features, numbers).score(asked, forgotten)

    np.testing.assert_allclose(found, refitted(features, numbers, train, asked), atol=1e-9)


def test_what_was_not_learnt_from_still_tells_the_classes_apart() -> None:
    features, numbers = learnt(classes=2)
    asked = np.arange(10)

    scores = ForgetfulHead(features, numbers).score(asked, np.empty(0, dtype=np.int64))

    assert (scores.argmax(axis=1) == numbers[asked]).mean() >= 0.9


def test_a_rare_class_weighs_as_much_as_a_frequent_one() -> None:
    generator = np.random.default_rng(0)
    numbers = (np.arange(400) < 30).astype(np.int64)
    features = generator.standard_normal((400, 2))
    features[:, 0] += 2 * numbers
    head = ForgetfulHead(features, numbers)

    said = np.array([head.score(np.array([asked]), np.empty(0, dtype=np.int64)).argmax() for asked in range(400)])

    rare, frequent = (said[numbers == k] == k for k in (1, 0))
    assert rare.mean() > 0.6
    assert frequent.mean() > 0.6


def test_images_that_are_all_alike_are_no_error() -> None:
    head = ForgetfulHead(np.ones((6, 3)), np.array([0, 1, 0, 1, 0, 1]))

    assert np.isfinite(head.score(np.arange(2), np.array([3]))).all()
