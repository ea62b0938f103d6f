"""The parameters of hyperparameter_search."""

from pydantic import Field

from chest_cancer.parameters.values import Block, HeadName


class Range(Block):
    """Range from which a number is drawn, evenly on a logarithmic scale."""

    low: float = Field(gt=0.0)
    high: float = Field(gt=0.0)


class HyperparameterSearchParameters(Block):
    """Which parameters of the head are tried, and how often."""

    trials: int = Field(30, ge=1, le=10_000)
    folds: int = Field(
        5, ge=3, le=20, description="Folds of training images: one measures, one stops, the others train."
    )
    heads: tuple[HeadName, ...] = Field(("linear", "kernel"), min_length=1)
    l2: Range = Range(low=0.001, high=1.0)
    learning_rate: Range = Range(low=0.0003, high=0.01)
    kernel_width: Range = Range(low=0.1, high=10.0)
