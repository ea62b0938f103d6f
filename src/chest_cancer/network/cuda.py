"""The same graphs on a GPU: ONNX Runtime with CUDA, in fp32. Imported only where the package for it is installed."""

import re
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from chest_cancer.network.runtime import Outputs

RUNTIME = f"onnxruntime {onnxruntime.__version__} cuda"
"""What computes: another version may round otherwise."""

PROVIDER = "CUDAExecutionProvider"
_SETTINGS = {
    "use_tf32": "0",  # it keeps 10 bits of a fraction where fp32 keeps 23
    "cudnn_conv_algo_search": "HEURISTIC",  # the same for the same shapes: a search by time may end otherwise each run
}
_ERRORS, _NOTHING = 3, 4
"""From which severity on ONNX Runtime logs."""


def find_problem() -> str | None:
    """Put a number on the GPU.

    Returns:
        Why that can't be done; None where it can.
    """
    providers = onnxruntime.get_available_providers()
    if PROVIDER not in providers:
        return f"the package onnxruntime was installed over it (it has {', '.join(providers)})"
    said = StringIO()
    onnxruntime.set_default_logger_severity(_NOTHING)
    try:
        with redirect_stdout(said):
            onnxruntime.preload_dlls()  # CUDA's libraries, where they came as packages
        onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(1, dtype=np.float32), "cuda")
    except Exception as error:  # it has classes of its own for each kind of failure
        cause = re.search(r"CUDA failure \d+: [^;]*", str(error))  # around it are paths, lines and the host's name
        return (said.getvalue() or (cause[0] if cause else str(error))).strip().partition("\n")[0]
    finally:
        onnxruntime.set_default_logger_severity(_ERRORS)
    return None


class CudaNetwork:
    """A graph with one input, on the GPU. It does what `runtime.Network` does.

    Attributes:
        precision: What it computes in: `fp32`.
        outputs: Names of its outputs.
    """

    precision = "fp32"

    def __init__(self, graph: bytes) -> None:
        """Bring the graph to the GPU.

        Args:
            graph: A serialised ONNX graph.

        Raises:
            RuntimeError: ONNX Runtime would have computed on the processor instead.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=[(PROVIDER, _SETTINGS)], enable_fallback=False
        )
        if PROVIDER not in self._session.get_providers():
            raise RuntimeError(
                f"ONNX Runtime did not take the graph to the GPU: expected {PROVIDER}. Received: "
                f"{', '.join(self._session.get_providers())}. Use `runtime.device: cpu`."
            )
        self._input = self._session.get_inputs()[0].name
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def __call__(self, batch: NDArray[np.uint8]) -> Outputs:
        """Compute one batch, uint8 [n, 224, 224, 3]; see `stream`."""
        return dict(zip(self.outputs, self._session.run(None, {self._input: batch}), strict=True))

    def stream(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Outputs]:
        """Compute batches one after the other; images of the next ones are loaded beside it by whoever loads them.

        Args:
            batches: Inputs of the graph, uint8 [n, 224, 224, 3].

        Yields:
            The outputs of each batch by name, float32 [n, ...].
        """
        return map(self, batches)
