"""The runtime keeps order and says in which precision it computes."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest

from chest_cancer.network.graph import frozen_base
from chest_cancer.network.runtime import Network, resolve_precision
from chest_cancer.network.vgg16 import Weights
from conftest import Pixels

HAS_BF16 = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def graph(narrow_weights: Weights) -> bytes:
    return frozen_base(narrow_weights, None).SerializeToString()


@pytest.fixture(scope="module")
def network(graph: bytes) -> Network:
    return Network(graph, "fp32")


def without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ov.Core, "get_property", lambda self, device, name: ["FP32", "INT8"])


def test_results_come_in_the_order_of_the_batches(network: Network, picture: Callable[..., Pixels]) -> None:
    images = [picture(number) for number in range(5)]
    batches = [images[0][None], np.stack(images[1:3]), images[3][None], images[4][None]]

    streamed = [outputs["embedding"] for outputs in network.stream(iter(batches))]

    assert [len(rows) for rows in streamed] == [1, 2, 1, 1]
    singly = np.concatenate([network(batch)["embedding"] for batch in batches])
    np.testing.assert_allclose(np.concatenate(streamed), singly, rtol=1e-4)
    assert len(np.unique(singly.round(3), axis=0)) == 5


def test_results_outlive_later_batches(network: Network, picture: Callable[..., Pixels]) -> None:
    batch = picture(1)[None].copy()

    def refilled_buffer():
        for number in range(4):
            batch[:] = picture(number)
            yield batch

    stream = (outputs["embedding"] for outputs in network.stream(refilled_buffer()))
    results = [(embedding, embedding.copy()) for embedding in stream]

    assert all(np.array_equal(kept, copied) for kept, copied in results)
    np.testing.assert_allclose(results[0][0], network(picture(0)[None])["embedding"], rtol=1e-4)


def test_no_batches_give_no_results(network: Network) -> None:
    assert list(network.stream([])) == []


def test_an_unknown_precision_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"`precision`: expected auto, bf16 or fp32\. Received: int8"):
        resolve_precision("int8")


def test_bf16_is_refused_where_the_processor_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    without_bf16(monkeypatch)

    with pytest.raises(ValueError, match=r"no bf16 instructions\. Use auto or fp32"):
        resolve_precision("bf16")


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_precision_is_fp32_where_the_processor_has_nothing_faster(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    without_bf16(monkeypatch)

    assert resolve_precision(precision) == "fp32"


def test_auto_takes_bf16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ov.Core, "get_property", lambda self, device, name: ["FP32", "BF16"])

    assert [resolve_precision(name) for name in ("auto", "bf16", "fp32")] == ["bf16", "bf16", "fp32"]


@pytest.mark.skipif(not HAS_BF16, reason="this processor has no bf16 instructions")
def test_bf16_points_the_same_way_as_fp32(network: Network, graph: bytes, picture: Callable[..., Pixels]) -> None:
    faster = Network(graph, "bf16")

    exact, near = (n(picture(2)[None])["embedding"][0] for n in (network, faster))

    assert faster.precision == "bf16"
    assert exact @ near / np.linalg.norm(exact) / np.linalg.norm(near) > 0.999
    assert not np.array_equal(exact, near)


def test_fp32_is_not_silently_computed_in_bf16(network: Network, picture: Callable[..., Pixels]) -> None:
    assert network.precision == "fp32"
    assert network._compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32


REPLACED = """
import signal, sys, threading
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.runtime import Network

graph = sys.stdin.buffer.read()
held = [Network(graph, "fp32")]
thread = threading.Thread(target=lambda: held.__setitem__(0, Network(graph, "fp32")))
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
signal.raise_signal(signal.SIGTERM)
"""


def test_a_process_whose_network_was_replaced_by_a_thread_can_be_told_to_stop(graph: bytes) -> None:
    process = subprocess.run([sys.executable, "-c", REPLACED], input=graph, check=False)

    assert process.returncode == 7
