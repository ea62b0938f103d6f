"""Where images go through a network: parameters of all, and those that several blocks have."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from chest_cancer.parameters.values import Block


def _installed(engine: str) -> str:
    """Refuse an engine whose package is missing, before any work."""
    if engine == "ray" and find_spec("ray") is None:
        raise ValueError('Ray is not installed: pip install "chest_cancer[ray]", or use local')
    return engine


class RuntimeParameters(Block):
    """The device that computes."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="auto: a GPU if one answers, else the processor; cuda: a GPU; the run stops if none answers.",
    )


class EngineParameters(Block):
    """What computes: this process, or workers of a Ray cluster."""

    engine: Annotated[Literal["local", "ray"], AfterValidator(_installed)] = Field(
        "local",
        description="ray: workers of one core each, on the cluster of `RAY_ADDRESS`, or on one that is started here.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Number of workers at once, for `ray`; null: one for each core that there is at the beginning.",
    )
