import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.model import ModelSource, ModelUnavailableError
from chest_cancer.datasets.classifier import ClassifierDataset
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.runtime import Network
from serving import CLASSIFIER, FIGURES, METRICS, NEW_FIGURES, PROMOTED, RUN_ID, promote, tiny_classifier, with_changes


def test_without_a_model_every_answer_says_what_helps(project, make_app, encode):
    shutil.rmtree(project / "data/06_models/classifier")
    client = make_app(project).test_client()
    text = client.get("/").get_data(as_text=True)
    assert "No model to serve yet" in text
    assert "kedro run" in text
    for response in (client.post("/predict", json={}), client.get("/readyz"), client.post("/")):
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "60"
        assert response.get_json()["type"] == "urn:chest-cancer:problem:no-model"
        assert "No classifier in data/06_models/classifier" in response.get_json()["detail"]
        assert "kedro run" in response.get_json()["detail"]
        assert "It is there when a run was evaluated and promoted." in response.get_json()["detail"]
    assert "kedro run" in client.post("/", headers={"Accept": "text/html"}).get_data(as_text=True)
    assert client.get("/healthz").status_code == 200


def test_a_model_that_the_apps_user_may_not_read_is_said_so_with_the_cure(project, make_app, monkeypatch):
    def refuse(folder, _precision):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"{folder}/classifier.onnx")

    monkeypatch.setattr(Classifier, "load", refuse)
    client = make_app(project).test_client()

    reason = client.get("/readyz").get_json()["detail"]

    user = f"{os.getuid()}:{os.getgid()}"
    assert reason.startswith(f"This user, {user}, may not read data/06_models/classifier/classifier.onnx. Let it, by")
    assert "evaluated" not in reason
    assert "kedro run" not in client.get("/").get_data(as_text=True)


def test_an_environment_whose_packages_are_not_here_is_named(project, make_app, monkeypatch, tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "a_registry.py").write_text(
        """from kedro.io import AbstractDataset


class RegistryDataset(AbstractDataset):
    def __init__(self, filepath): ...
    def load(self): import nobody_has_it
    def save(self, data): ...
    def _describe(self): return {}
"""
    )
    monkeypatch.syspath_prepend(tmp_path / "modules")
    (project / "conf" / "registry").mkdir()
    entry = f"classifier: {{type: a_registry.RegistryDataset, filepath: {CLASSIFIER}}}\n"
    (project / "conf" / "registry" / "catalog.yml").write_text(entry)
    shutil.rmtree(project / CLASSIFIER)

    reason = make_app(project, ENV="registry").test_client().get("/readyz").get_json()["detail"]

    assert reason == (
        "The environment registry needs the package nobody_has_it, which is not installed here. Install it, or choose "
        "another CHEST_CANCER_ENV."
    )


def test_images_of_a_request_are_computed_one_by_one_so_that_memory_does_not_grow_with_them(
    trained_project, make_app, encode, monkeypatch
):
    sizes = []
    stream = Network.stream

    def watched(self, batches):
        for batch in batches:
            sizes.append(len(batch))
            yield from stream(self, [batch])

    monkeypatch.setattr(Network, "stream", watched)
    form = {"image": [(io.BytesIO(encode(level)), f"{level}.png") for level in (0, 128, 255)]}
    assert len(make_app(trained_project).test_client().post("/predict", data=form).get_json()) == 3
    assert set(sizes) == {1}


def test_a_model_that_comes_later_is_served_without_a_restart(trained_project, project, make_app):
    folder = project / "data/06_models/classifier"
    shutil.rmtree(folder)
    client = make_app(project).test_client()
    assert client.get("/readyz").status_code == 503
    shutil.copytree(trained_project / "data/06_models/classifier", folder)
    assert client.get("/readyz").get_json() == {
        "status": "ready",
        "classes": ["adenocarcinoma", "normal"],
        "precision": "fp32",
        "version": "1",
        "promoted": PROMOTED,
        "run_id": RUN_ID,
        "self_test": 0.0,
    }


def test_the_model_is_loaded_once_however_many_ask(trained_project, monkeypatch):
    loads = []
    load = Classifier.load
    monkeypatch.setattr(Classifier, "load", lambda *arguments: loads.append(1) or load(*arguments))
    source = ModelSource(trained_project, "local")
    with ThreadPoolExecutor(8) as threads:
        models = list(threads.map(lambda _: source.get(), range(16)))
    assert len(loads) == 1
    assert len({id(model) for model in models}) == 1


def test_the_environment_chooses_the_model(project):
    (project / "data/06_models/classifier").rename(project / "data/06_models/another")
    (project / "conf/clinic").mkdir()
    entry = {"type": "chest_cancer.datasets.classifier.ClassifierDataset", "filepath": "data/06_models/another"}
    (project / "conf/clinic/catalog.yml").write_text(json.dumps({"classifier": entry}))
    assert ModelSource(project, "clinic").get().classifier.classes == ("adenocarcinoma", "normal")
    with pytest.raises(ModelUnavailableError, match="No classifier in"):
        ModelSource(project, "local").get()


def test_a_project_without_configuration_is_told(project):
    (project / "conf/base/catalog.yml").write_text("{}")
    with pytest.raises(ModelUnavailableError, match="No entry `classifier` in the catalog"):
        ModelSource(project, "local").get()
    shutil.rmtree(project / "conf")
    with pytest.raises(ModelUnavailableError, match="conf"):
        ModelSource(project, "local").get()


def test_a_model_that_no_run_promoted_has_no_figures_and_no_version(project, make_app):
    ClassifierDataset(filepath=str(project / CLASSIFIER)).save(tiny_classifier())
    model = ModelSource(project, "local").get()
    assert model.figures == {}
    assert model.version == {"version": None, "promoted": None, "former": None}
    assert "Not known" in make_app(project).test_client().get("/").get_data(as_text=True)


@pytest.mark.parametrize(
    ("told", "said"), [({}, True), ({"patients": "unknown"}, True), ({"patients": "known"}, False)]
)
def test_the_page_says_where_patients_of_test_images_may_also_be_in_training(project, make_app, told, said):
    promote(project / CLASSIFIER, tiny_classifier(), told | FIGURES)
    assert ModelSource(project, "local").get().figures == FIGURES
    text = make_app(project).test_client().get("/").get_data(as_text=True)
    assert ("patients of the test images may also be in training" in text) is said


def test_figures_of_another_run_are_never_shown_whatever_their_time(project):
    (project / "data/08_reporting").mkdir()
    (project / "data/08_reporting/metrics.json").write_text(json.dumps(NEW_FIGURES))
    assert ModelSource(project, "local").get().figures == FIGURES


def test_figures_that_cannot_be_read_are_not_served_as_none(project):
    (project / METRICS).write_text('{"loss": {"val')
    with pytest.raises(ModelUnavailableError, match="Unterminated string"):
        ModelSource(project, "local").get()


def served_run(source):
    return source.get().manifest.provenance.mlflow_run_id


def wait_for_reload():
    for thread in threading.enumerate():
        if thread.name == "model-reload":
            thread.join()


def test_a_replaced_model_is_served_after_the_former_one_has_answered_in_the_meantime(project):
    source = ModelSource(project, "local")
    former = source.get()
    promote(project / CLASSIFIER, tiny_classifier("a-new-run"), NEW_FIGURES, "2")

    assert source.get() is former
    wait_for_reload()
    assert served_run(source) == "a-new-run"
    assert source.get().figures == NEW_FIGURES
    assert source.get().version["version"] == "2"


def test_a_model_that_is_copied_over_the_former_one_file_by_file_is_served_too(project, tmp_path):
    source = ModelSource(project, "local")
    source.get()
    (tmp_path / "new").mkdir()
    promote(tmp_path / "new" / "classifier", tiny_classifier("a-new-run"), NEW_FIGURES, "2")
    for file in (tmp_path / "new" / "classifier").iterdir():
        shutil.copyfile(file, project / CLASSIFIER / file.name)

    source.get()
    wait_for_reload()

    assert served_run(source) == "a-new-run"
    assert source.get().figures == NEW_FIGURES
    assert source.get().version["version"] == "2"


def test_figures_that_are_copied_over_the_former_ones_are_shown(project):
    source = ModelSource(project, "local")
    source.get()
    (project / METRICS).write_text(json.dumps(NEW_FIGURES))

    source.get()
    wait_for_reload()

    assert source.get().figures == NEW_FIGURES


def break_model(project, run_id):
    """Save a model that says something else than its manifest tells."""
    said = {"adenocarcinoma": 0.0, "normal": 1.0}
    classifier = with_changes(tiny_classifier(run_id), self_test={"probabilities": said})
    ClassifierDataset(filepath=str(project / CLASSIFIER)).save(classifier)


def test_a_new_model_that_fails_its_self_test_is_not_served_and_not_tried_again(project, monkeypatch, caplog):
    source = ModelSource(project, "local")
    source.get()
    loads = []
    load = Classifier.load
    monkeypatch.setattr(Classifier, "load", lambda *arguments: loads.append(1) or load(*arguments))
    break_model(project, "a-broken-run")
    for _ in range(3):
        source.get()
        wait_for_reload()
    assert served_run(source) == RUN_ID
    assert len(loads) == 1
    assert "The new model can't be served" in caplog.text


def test_a_first_model_that_fails_its_self_test_is_not_served(project, make_app):
    break_model(project, "a-broken-run")
    response = make_app(project).test_client().get("/readyz")
    assert response.status_code == 503
    assert "fails its self-test: expected probabilities" in response.get_json()["detail"]


def test_serving_imports_nothing_of_training(trained_project):
    script = (
        "import sys; sys.modules['kedro_datasets'] = None  # as if not installed\n"
        "from app import create_app; from app.samples import SAMPLES\n"
        f"client = create_app({{'PROJECT': {str(trained_project)!r}, 'ENV': 'local'}}).test_client()\n"
        "assert client.post('/', data={'sample': next(iter(SAMPLES))}).status_code == 200\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(result.stdout.split())
    assert "openvino" in imported
    forbidden = {"kedro_mlflow", "keras", "mlflow", "onnx", "onnxruntime", "pandas", "skimage", "sklearn", "tensorflow"}
    assert not imported & forbidden
