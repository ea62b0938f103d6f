"""hyperparameter_search: on training images alone, by group, with a result that a run takes."""

import numpy as np
import pandas as pd
import pytest

from chest_cancer.parameters.blocks import HyperparameterSearchParameters, ModelTrainingParameters
from chest_cancer.pipelines.hyperparameter_search import create_pipeline
from chest_cancer.pipelines.hyperparameter_search.nodes import search_hyperparameters

SEARCH = HyperparameterSearchParameters(trials=2, folds=3, heads=("linear",))
TRAINING = ModelTrainingParameters(epochs=2, kernel={"landmarks": 8})


def data(groups: int = 12) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Two images a group; what is not for training, and maps, are numbers that would spoil every loss."""
    generator = np.random.default_rng(0)
    count = 2 * groups
    keys = np.array([f"{number:064d}" for number in range(count)], dtype="U64")
    table = pd.DataFrame(
        {
            "pixel_sha256": keys,
            "group": np.arange(count) // 2,
            "label": np.where(np.arange(count) // 2 % 2, "normal", "adenocarcinoma"),
            "split": np.where(np.arange(count) < count - 4, "train", "test"),
        }
    )
    embedding = (
        generator.normal(size=(count, 1024)).astype(np.float32) + (table["label"] == "normal").to_numpy()[:, None]
    )
    embedding[(table["split"] == "test").to_numpy()] = np.nan
    maps = np.full((count, 2, 2, 4), np.nan, dtype=np.float32)  # as of a base that is cut
    return {"pixel_sha256": keys, "embedding": embedding.astype(np.float32), "features": maps}, table.sample(
        frac=1, random_state=0
    )


@pytest.mark.usefixtures("no_graphs")
def test_the_best_trial_is_given_as_parameters_that_a_run_takes() -> None:
    best, trials = search_hyperparameters(*data(), SEARCH, TRAINING, seed=3)

    block = ModelTrainingParameters.model_validate(best["model_training"])
    first = trials.sort_values("loss").iloc[0]
    assert trials["loss"].notna().all()
    assert len(trials) == SEARCH.trials
    assert (block.head, block.l2, block.learning_rate) == (first["head"], first["l2"], first["learning_rate"])
    assert SEARCH.l2.low <= block.l2 <= SEARCH.l2.high


@pytest.mark.usefixtures("no_graphs")
@pytest.mark.parametrize(
    ("changed", "tried"),
    [
        ({"l2": 0.02}, [("linear", 0.02)]),
        ({"l2": 0.02, "head": "linear"}, [("linear", 0.02)]),
        ({"l2": 5.0}, []),
        ({"l2": 0.02, "head": "kernel"}, []),
    ],
)
def test_the_parameters_of_today_are_tried_first_where_the_ranges_have_them(
    changed: dict[str, object], tried: list[tuple[str, float]]
) -> None:
    _, trials = search_hyperparameters(*data(), SEARCH, TRAINING.model_copy(update=changed), seed=3)

    first = [row for row in zip(trials["head"], trials["l2"], strict=True) if row[1] in (0.02, 5.0)]
    assert first == tried
    assert len(trials) == SEARCH.trials


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"hyperparameter_search\.folds`: expected at most 5, .* Received: 20"):
        search_hyperparameters(*data(), SEARCH.model_copy(update={"folds": 20}), TRAINING, seed=3)


def test_it_needs_no_more_than_stored_features() -> None:
    assert create_pipeline().inputs() == {
        "features", "split_table", "params:hyperparameter_search", "params:model_training", "params:seed",
    }  # fmt: skip
