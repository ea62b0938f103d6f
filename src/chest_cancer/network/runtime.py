"""The fast runtime: ONNX graphs on OpenVINO, in the precision asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

Outputs = dict[str, NDArray[np.float32]]

RUNTIME = f"openvino {ov.__version__}"
"""What computes: another version may round otherwise."""

_REQUESTS = 2
"""Batches in flight: while one is computed, the next is already there."""


@cache
def _core() -> ov.Core:
    """Return the one core of the process, which is never dropped.

    With the instructions for bf16 a core gives signals another stack, in the thread that made it, and takes it away in
    the thread that drops it: where these are two, the next signal would end the process.
    """
    return ov.Core()


def use_one_thread() -> None:
    """Compute in one thread from here on, on whichever core is free, as other processes compute beside this one.

    By itself OpenVINO takes all cores, and binds its threads to them: those of every process to the same ones.
    """
    _core().set_property("CPU", {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False})


def resolve_precision(precision: str) -> str:
    """Work out the precision that this processor will compute in.

    Args:
        precision: `auto`, `bf16` or `fp32`.

    Returns:
        `bf16` or `fp32`; `auto` is bf16 where the processor has instructions for it.

    Raises:
        ValueError: bf16 on a processor without instructions for it, or an unknown name.
    """
    if precision not in ("auto", "bf16", "fp32"):
        raise ValueError(f"Invalid value for `precision`: expected auto, bf16 or fp32. Received: {precision}")
    has_bf16 = "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not has_bf16:
        raise ValueError("Invalid value for `precision`: this processor has no bf16 instructions. Use auto or fp32.")
    return "bf16" if has_bf16 and precision != "fp32" else "fp32"


@dataclass(frozen=True)
class Quantised:
    """A graph whose convolutions are int8, in OpenVINO's own format.

    Attributes:
        structure: Layers, and the ranges of the values between them; XML.
        weights: Weights of the layers, binary.
    """

    structure: bytes
    weights: bytes


class Network:
    """A graph with one input, compiled for this processor.

    Attributes:
        precision: What it computes in: `bf16` or `fp32`; `int8` where the graph is quantised.
        outputs: Names of its outputs.
    """

    def __init__(
        self, graph: bytes | Path | Quantised, precision: str, rewrite: Callable[[ov.Model], None] | None = None
    ) -> None:
        """Compile.

        Args:
            graph: A serialised ONNX graph, its file, or one that was quantised.
            precision: `auto`, `bf16` or `fp32`; for a quantised graph, that of the layers that are not int8.
            rewrite: Called with the graph before it is compiled, to change it in place.
        """
        floating = resolve_precision(precision)
        core = _core()
        if isinstance(graph, Quantised):
            self.precision = "int8"
            model = core.read_model(graph.structure, graph.weights)
        else:
            self.precision = floating
            model = core.read_model(graph)
        if rewrite is not None:
            rewrite(model)
        # OpenVINO's own default is bf16 wherever the processor has it, without a word: always say which.
        settings = {"INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[floating]}
        self._compiled = core.compile_model(model, "CPU", {**settings, "PERFORMANCE_HINT": "LATENCY"})
        # OpenVINO's Python binding can lock up when a process's first two inferences run at once: make one here.
        shape = [1 if size.is_dynamic else size.get_length() for size in self._compiled.input(0).partial_shape]
        self._compiled.create_infer_request().infer([np.zeros(shape, dtype=np.uint8)])
        self.outputs = tuple(output.get_any_name() for output in self._compiled.outputs)

    def __call__(self, batch: NDArray[np.uint8]) -> Outputs:
        """Compute one batch; see `stream`."""
        return next(self.stream([batch]))

    def stream(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Outputs]:
        """Compute batches in order; the next one is taken from `batches` while this one is computed.

        Args:
            batches: Inputs of the graph, uint8 [n, 224, 224, 3].

        Yields:
            The outputs of each batch by name, float32 [n, ...].
        """
        idle = [self._compiled.create_infer_request() for _ in range(_REQUESTS)]
        running: deque[ov.InferRequest] = deque()
        for batch in batches:
            if not idle:
                yield self._finish(running[0])
                idle.append(running.popleft())
            request = idle.pop()
            request.start_async([batch])
            running.append(request)
        for request in running:
            yield self._finish(request)

    def _finish(self, request: ov.InferRequest) -> Outputs:
        request.wait()
        return {name: request.get_tensor(name).data.astype(np.float32) for name in self.outputs}
