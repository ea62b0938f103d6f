"""What computes the graphs of long work: a GPU, if one answers, else the processor."""

import os
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple, Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from chest_cancer.network.runtime import RUNTIME, Network, Outputs, resolve_precision
from chest_cancer.parameters.engine import EngineParameters

_PACKAGE = "onnxruntime-gpu"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable by which CUDA, and so TensorFlow, too, knows which GPUs it may see."""


class Compiled(Protocol):
    """A graph that is ready: `runtime.Network` or `cuda.CudaNetwork`."""

    def stream(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Outputs]:
        """Compute batches in order; see `runtime.Network.stream`."""


class Backend(NamedTuple):
    """What computes a graph.

    Attributes:
        device: `cpu`, where OpenVINO computes, or `cuda`, where ONNX Runtime does.
        precision: What it computes in: `bf16` or `fp32`.
    """

    device: str
    precision: str

    @property
    def runtime(self) -> str:
        """Name and version of the runtime: another one may round otherwise."""
        if self.device == "cpu":
            return RUNTIME
        from chest_cancer.network import cuda

        return cuda.RUNTIME

    def compile(self, graph: bytes, rewrite: Callable[[ov.Model], None] | None = None) -> Compiled:
        """Compile a serialised ONNX graph; on the processor, `rewrite` may change it first (`Network`)."""
        if self.device == "cpu":
            return Network(graph, self.precision, rewrite)
        from chest_cancer.network import cuda

        return cuda.CudaNetwork(graph)


def use_device(device: str) -> None:
    """Hide GPUs from this process and those that it starts, or see that one is there, before any work.

    Args:
        device: The parameter `runtime.device`.

    Raises:
        ValueError: It is `cuda`, and no GPU answers.
    """
    if device == "cpu":
        os.environ[_VISIBLE] = "-1"
    elif device == "cuda" and (problem := gpu_problem()) is not None:
        raise ValueError(
            "Invalid value for `runtime.device`: expected auto, cpu, or cuda where a GPU answers. Received: cuda, but "
            f"{problem}. `make gpu` installs what a GPU needs besides its driver; auto takes the processor."
        )


def gpu_problem() -> str | None:
    """Look whether a GPU computes.

    Returns:
        Why none does; None where one does.
    """
    if os.environ.get(_VISIBLE) == "-1":
        return f"the environment variable {_VISIBLE} hides it"
    try:
        version(_PACKAGE)
    except PackageNotFoundError:
        return f"the package {_PACKAGE} is not installed"
    from chest_cancer.network import cuda

    return cuda.find_problem()


def choose_backend(precision: str, engine: EngineParameters) -> Backend:
    """Choose what computes: the GPU, if one answers and is asked for what it computes in, which is fp32.

    Args:
        precision: `auto`, `bf16` or `fp32`.
        engine: Where images are computed: workers of a cluster have a core each, and no GPU.

    Returns:
        Device and precision; `auto` is fp32 on a GPU, and what `resolve_precision` says on the processor.

    Raises:
        ValueError: bf16 on a processor without instructions for it, or an unknown name.
    """
    if precision in ("auto", "fp32") and engine.engine == "local" and gpu_problem() is None:
        return Backend("cuda", "fp32")
    return Backend("cpu", resolve_precision(precision))
