"""Which device computes, and that ONNX Runtime computes what OpenVINO does; its processor stands in for a GPU."""

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from kedro.pipeline import Node, Pipeline

from benchmarks.tiny import tiny_graph
from chest_cancer.hooks.parameters import ParametersHook
from chest_cancer.network import cuda, devices
from chest_cancer.network.cuda import CudaNetwork
from chest_cancer.network.devices import Backend, choose_backend, gpu_problem, use_device
from chest_cancer.network.manifest import SelfTest
from chest_cancer.network.placement import place_classifier
from chest_cancer.network.runtime import RUNTIME, Network
from chest_cancer.parameters.engine import EngineParameters
from conftest import Pixels
from tiny_classifier import CLASSES, tiny_classifier

HERE = EngineParameters()
PROCESSOR = Backend("cpu", "fp32")


@pytest.fixture(autouse=True)
def visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUs that nobody hides, before and after each test."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that answers: ONNX Runtime's own processor."""
    monkeypatch.setattr(devices, "gpu_problem", lambda: None)
    monkeypatch.setattr(cuda, "PROVIDER", "CPUExecutionProvider")


def without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "resolve_precision", lambda precision: "fp32")


def test_the_processor_computes_where_no_gpu_answers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    without_bf16(monkeypatch)
    monkeypatch.setattr(devices, "gpu_problem", lambda: "there is none")

    use_device("auto")

    assert choose_backend("auto", HERE) == PROCESSOR
    assert PROCESSOR.runtime == RUNTIME
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("precision", "engine", "backend"),
    [
        ("auto", "local", Backend("cuda", "fp32")),
        ("fp32", "local", Backend("cuda", "fp32")),
        ("bf16", "local", PROCESSOR),
        ("auto", "ray", PROCESSOR),
    ],
)
def test_a_gpu_computes_in_fp32_and_where_the_run_was_started(
    monkeypatch: pytest.MonkeyPatch, precision: str, engine: str, backend: Backend
) -> None:
    without_bf16(monkeypatch)

    use_device("cuda")

    assert choose_backend(precision, EngineParameters.model_validate({"engine": engine})) == backend


def test_cuda_is_refused_where_the_package_for_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_PACKAGE", "no-such-package")

    with pytest.raises(
        ValueError,
        match=r"^Invalid value for `runtime\.device`: expected auto, cpu, or cuda where a GPU answers\. Received: "
        r"cuda, but the package no-such-package is not installed\. `make gpu` installs what a GPU needs besides its "
        r"driver; auto takes the processor\.$",
    ):
        use_device("cuda")


def test_cpu_hides_gpus_from_this_process_and_from_those_that_it_starts() -> None:
    use_device("cpu")

    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
    assert gpu_problem() == "the environment variable CUDA_VISIBLE_DEVICES hides it"


def test_a_package_without_cuda_that_lies_over_the_one_with_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_PACKAGE", "onnxruntime")  # in the place of the one with CUDA
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    assert gpu_problem() == "the package onnxruntime was installed over it (it has CPUExecutionProvider)"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        # What 1.26 says on a machine without a GPU, in short.
        ("/a/cuda_call.cc:122 CUDA failure 35: too old ; GPU=-1 ; hostname=vm ; file=/b", "CUDA failure 35: too old"),
        ("Can't allocate memory.\nUse another package.", "Can't allocate memory."),
        (None, None),
    ],
)
def test_a_gpu_answers_if_it_takes_a_number(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: str | None, problem: str | None
) -> None:
    def put(*_: object) -> None:
        if error is not None:
            raise RuntimeError(error)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda.PROVIDER])
    monkeypatch.setattr(onnxruntime, "OrtValue", SimpleNamespace(ortvalue_from_numpy=put))

    found = cuda.find_problem()

    assert found == problem
    assert capfd.readouterr() == ("", "")


def test_a_missing_library_of_cuda_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    said = "Failed to load libcublasLt.so.12: no such file\nPlease install CUDA.\n"
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda.PROVIDER])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: sys.stdout.write(said))

    assert cuda.find_problem() == "Failed to load libcublasLt.so.12: no such file"
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_graph_that_would_be_computed_on_the_processor_instead_is_refused() -> None:
    expected = r"expected CUDAExecutionProvider\. Received: .*CPUExecutionProvider\. Use `runtime\.device: cpu`\.$"
    with pytest.raises(RuntimeError, match=expected):
        CudaNetwork(tiny_graph(2))


@pytest.mark.usefixtures("gpu")
def test_batches_come_in_order_and_as_openvino_computes_them(picture: Callable[..., Pixels]) -> None:
    graph = tiny_graph(3)
    network, reference = CudaNetwork(graph), Network(graph, "fp32")
    images = np.stack([picture(number) for number in range(5)])

    streamed = list(network.stream([images[:2], images[2:3], images[3:]]))

    assert (network.precision, network.outputs) == (reference.precision, reference.outputs)
    assert [len(outputs["embedding"]) for outputs in streamed] == [2, 1, 2]
    assert list(network.stream([])) == []
    for name, expected in reference(images).items():
        received = np.concatenate([outputs[name] for outputs in streamed])
        assert received.dtype == expected.dtype == np.float32
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


@pytest.mark.usefixtures("gpu")
def test_a_classifier_on_the_gpu_says_the_same_and_is_known_for_another(picture: Callable[..., Pixels]) -> None:
    classifier = tiny_classifier()
    images = [picture(number) for number in range(3)]
    said = classifier.predict(images)

    placed = place_classifier(classifier, HERE)

    assert (classifier.device, placed.device) == ("cpu", "cuda")
    assert placed.identity != classifier.identity
    for received, expected in zip(placed.predict(images), said, strict=True):
        assert received.label == expected.label
        assert received.probabilities == pytest.approx(expected.probabilities, abs=1e-3)


def test_a_classifier_stays_what_it_is_where_no_gpu_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu_problem", lambda: "there is none")
    classifier = tiny_classifier()

    assert place_classifier(classifier, HERE) is classifier


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_classifier_that_is_not_served_in_fp32_stays_on_the_processor(
    caplog: pytest.LogCaptureFixture, precision: str
) -> None:
    classifier = tiny_classifier()
    classifier.precision = precision
    caplog.set_level("INFO")

    assert place_classifier(classifier, HERE) is classifier
    assert caplog.messages == [
        f"The classifier stays on the processor: it is served in {precision}, and the GPU computes only in fp32."
    ]


@pytest.mark.usefixtures("gpu")
def test_a_gpu_that_computes_something_else_is_not_used() -> None:
    other = SelfTest(probabilities=dict(zip(CLASSES, (0.0, 1.0), strict=True)))

    with pytest.raises(ValueError, match="fails its self-test"):
        place_classifier(tiny_classifier(self_test=other), HERE)


def run_begins(outputs: str = "trained_top", **blocks: Any) -> None:
    hook = ParametersHook()
    hook.after_context_created(SimpleNamespace(env=None, config_loader={"parameters": blocks}))
    hook.before_pipeline_run({}, Pipeline([Node(lambda: 1, None, outputs, name="a")]), None)


def test_a_run_that_insists_on_a_gpu_does_not_begin_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu_problem", lambda: "there is none")

    with pytest.raises(ValueError, match=r"`runtime\.device`: .*Received: cuda, but there is none\."):
        run_begins(runtime={"device": "cuda"})


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("outputs", "cut", "begins"),
    [("trained_top", "block5_conv3", False), ("trained_top", None, True), ("predictions", "block5_conv3", True)],
)
def test_a_run_that_trains_convolutions_on_a_gpu_needs_a_tensorflow_that_sees_it(
    outputs: str, cut: str | None, begins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    blocks = {"runtime": {"device": "cuda"}, "model_preparation": {"fine_tune_from": cut}}
    if begins:
        run_begins(outputs, **blocks)
        return
    with pytest.raises(
        ValueError,
        match=r"as TensorFlow, which trains the convolutions of `model_preparation\.fine_tune_from`, sees no GPU\. "
        r"Received: cuda, and TensorFlow 2\S+ with(out)? CUDA\. `make gpu` installs",
    ):
        run_begins(outputs, **blocks)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    run_begins(outputs, **blocks)
