"""A study on the web: whole, as a page or JSON; and piece by piece, as the viewer asks for it."""

import gc
import io
import json
import re
import threading
import weakref
import zipfile

import numpy as np
import pytest

from chest_cancer.network.studies import predict_study
from manifests import PATIENT_RULE
from serving import CLASSIFIER, FIGURES, promote, tiny_classifier, with_changes
from volume_files import belly, nifti, opener, read_study, series, stack

PATIENT_FIGURES = FIGURES | {"patient_sensitivity": {"value": 0.9, "low": 0.6, "high": 0.98, "n": 12}}
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def hounsfield():
    """Six slices of a phantom, the first of them without lung."""
    slices = stack(6)
    return np.concatenate([[belly(slices[0])], slices[1:]])


@pytest.fixture(scope="module")
def files(hounsfield):
    return series(hounsfield)


@pytest.fixture
def app_of(project, make_app):
    """Makes the app of a model that reads patients."""

    def make(**settings):
        promote(
            project / CLASSIFIER,
            with_changes(tiny_classifier(), patient_rule=PATIENT_RULE),
            PATIENT_FIGURES | {"confidence": 0.9},
        )
        return make_app(project, **settings)

    return make


@pytest.fixture
def client(app_of):
    return app_of().test_client()


def form(files):
    return {"file": [(io.BytesIO(data), name) for name, data in files.items()]}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"a folder/{name}", data)
    return {"study.zip": buffer.getvalue()}


def lines(response):
    return [json.loads(line) for line in response.get_data(as_text=True).splitlines()]


def opened(client, files):
    address = client.post("/studies").get_json()["address"]
    assert client.post(f"{address}/files", data=form(files)).status_code == 200
    return address


@pytest.mark.parametrize("kind", ["files", "zip", "volume"])
def test_a_whole_study_gets_the_answer_that_the_command_gives(client, files, hounsfield, kind):
    sent = {"files": files, "zip": zipped(files), "volume": {"one.nii": nifti(hounsfield)}}[kind]
    said = client.post("/study", data=form(sent)).get_json()

    (volume,) = read_study(files, opener(files)).volumes
    expected = predict_study(with_changes(tiny_classifier(), patient_rule=PATIENT_RULE), volume)
    assert [one["reason"] for one in said["answers"]] == [one.reason for one in expected.slices]
    assert said["answers"][0]["reason"] == "no lung in this slice"
    assert said["answers"][1]["positive"] == pytest.approx(
        expected.slices[1].prediction.probabilities["adenocarcinoma"], abs=1e-6
    )
    assert said["study"]["score"] == pytest.approx(expected.reading.score, abs=1e-6)
    assert said["study"]["driving"] == [
        {"number": one.number, "probability": pytest.approx(one.probability, abs=1e-6)} for one in expected.driving
    ]
    assert (said["slices"], said["study"]["without_lung"], said["study"]["declined"]) == (6, 1, 0)
    assert said["positive_classes"] == ["adenocarcinoma"]


def test_a_page_without_script_holds_the_answer_and_every_slice(client, files):
    page = client.post("/study", data=form(zipped(files)), headers=HTML).get_data(as_text=True)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())

    assert "positive: Adenocarcinoma Cancer" in text
    assert "Slices with lung, which count 5 of 6" in text
    assert "sensitivity 0.90 (0.60 to 0.98), 12 test patients" in text
    assert "With 90 % intervals." in text
    assert "1 -300.0 mm No lung in this slice" in text
    assert len(re.findall(r'<tr id="slice-\d"', page)) == 6
    assert "Research use only" in text
    assert "<script" not in page


def test_the_viewer_gets_slices_in_hounsfield_units_and_answers_one_by_one(client, files, hounsfield):
    address = opened(client, files)

    first, *answers, last = lines(client.get(f"{address}/answers"))
    assert first["series"]["slices"] == 6
    assert first["series"]["spacing"] == [1.5, 1.25]
    assert [line["slice"]["number"] for line in answers] == list(range(6))
    assert answers[0]["slice"]["said"] == "No lung in this slice"
    assert answers[1]["slice"]["said"].startswith(("Adenocarcinoma Cancer, ", "Normal, "))
    assert np.shape(answers[1]["slice"]["evidence"]["cells"]) == (7, 7)
    whole = client.post  # the same study, whole, once this one has given its place back
    for number in range(6):
        response = client.get(f"{address}/slices/{number}")
        values = np.frombuffer(response.data, "<i2").reshape(hounsfield.shape[1:])
        np.testing.assert_array_equal(values, hounsfield[number])
    assert client.delete(address).status_code == 204
    assert last["study"] == whole("/study", data=form(files)).get_json()["study"]
    assert "The study's answer" in last["html"]


def test_files_come_in_parts_and_none_after_answers_were_asked_for(client, files):
    address = client.post("/studies").get_json()["address"]
    for number, (name, data) in enumerate(files.items(), start=1):
        said = client.post(f"{address}/files", data=form({name: data})).get_json()
        assert said == {"slices": number, "not_used": 0}
    assert len(lines(client.get(f"{address}/answers"))) == 8

    response = client.post(f"{address}/files", data=form(files))
    assert (response.status_code, response.get_json()["type"]) == (409, "urn:chest-cancer:problem:study-complete")


def test_a_smaller_series_is_answered_where_it_is_asked_for(client, files):
    both = files | {f"b{name}": data for name, data in series(stack(2), SeriesInstanceUID="1.2.9").items()}
    address = opened(client, both)

    first = lines(client.get(f"{address}/answers?series=1"))[0]["series"]
    assert (first["all_series"], first["slices"]) == ([6, 2], 2)
    assert len(client.get(f"{address}/slices/1?series=1").data) == 2 * stack(1)[0].size
    for query in ("slices/2?series=1", "slices/6", "slices/0?series=2", "answers?series=2", "answers?series=x"):
        assert client.get(f"{address}/{query}").status_code == 404


def test_a_place_is_given_back_when_a_study_is_closed_and_when_it_is_forgotten(app_of, files):
    app = app_of(STUDY_IDLE_SECONDS=1)
    client = app.test_client()
    address = opened(client, files)

    refused = client.post("/study", data=form(files))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert client.post("/studies").status_code == 503

    assert client.delete(address).status_code == 204
    closed = client.get(f"{address}/answers")
    assert (closed.status_code, closed.get_json()["type"]) == (404, "urn:chest-cancer:problem:study-closed")
    forgotten = app.extensions["studies"].open()
    assert forgotten.closed.wait(10)
    assert client.post("/study", data=form(files)).status_code == 200


def test_answers_end_as_soon_as_the_study_is_closed(client, files):
    address = opened(client, files)
    stream = client.get(f"{address}/answers").response
    next(stream)
    next(stream)

    client.delete(address)

    assert list(stream) == []


def test_a_closed_study_leaves_the_memory(app_of, files):
    app = app_of()
    client = app.test_client()
    address = opened(client, files)
    with app.extensions["studies"].use(address.rpartition("/")[2]) as study:
        (volume,) = study.volumes()
    kept = weakref.ref(volume)
    del study, volume
    client.delete(address)
    gc.collect()
    assert kept() is None


def test_a_study_that_a_request_is_about_is_not_forgotten(app_of):
    studies = app_of(STUDY_IDLE_SECONDS=1).extensions["studies"]
    study = studies.open()
    with studies.use(study.id):
        assert not study.closed.wait(1.5)
    assert study.closed.wait(10)


@pytest.mark.parametrize(
    ("sent", "settings", "status", "text"),
    [
        ({}, {}, 400, "Expected the files of a study"),
        ({"notes.txt": b"no image"}, {}, 422, "No file holds axial slices of a chest CT. Not a supported image"),
        ({"bad.zip": b"PK\x03\x04 and no more"}, {}, 422, "A zip is damaged, needs a password"),
        ("zip", {"MAX_STUDY_BYTES": 10_000}, 413, "may hold up to 10,000 bytes"),
        ("zip", {"MAX_STUDY_SLICES": 2}, 413, "A zip of 6 files and"),
        ("files", {"MAX_STUDY_SLICES": 5}, 413, "exceed the limit of 5 slices"),
    ],
    ids=["nothing", "no study", "no zip", "bytes", "files of a zip", "slices"],
)
def test_what_can_not_be_answered_is_refused_with_the_reason(app_of, files, sent, settings, status, text):
    sent = {"zip": zipped(files), "files": files}.get(sent, sent) if isinstance(sent, str) else sent
    response = app_of(**settings).test_client().post("/study", data=form(sent) if sent else {"other": "1"})
    assert response.status_code == status
    assert text in response.get_json()["detail"]


def test_a_zip_that_unpacks_to_more_than_a_study_may_hold_is_refused_before_it_is_unpacked(app_of):
    bomb = zipped({"zeros": bytes(5_000_000)})
    response = app_of(MAX_STUDY_BYTES=1_000_000).test_client().post("/study", data=form(bomb))
    assert response.status_code == 413
    assert "A zip of 1 files and 5,000,000 bytes" in response.get_json()["detail"]


def test_a_model_without_a_rule_answers_the_slices_and_says_why_not_the_study(project, make_app, files):
    said = make_app(project).test_client().post("/study", data=form(files)).get_json()
    assert said["study"]["reads_positive"] is None
    assert said["study"]["reason"].startswith("the classifier has no rule for patients")
    assert said["answers"][1]["label"] in ("adenocarcinoma", "normal")


def test_a_declined_slice_is_never_shown_as_a_class_but_counts(project, make_app, files):
    limits = {
        "distance_limit": -1.0, "confidence_limit": 0.0, "validation_images": 9, "validation_refused": 0.0,
        "validation_unsure": 0.0,
    }  # fmt: skip
    declining = with_changes(tiny_classifier(), patient_rule=PATIENT_RULE, abstention=limits)
    promote(project / CLASSIFIER, declining, FIGURES)
    client = make_app(project).test_client()
    address = opened(client, files)

    _, _, second, *_, last = lines(client.get(f"{address}/answers"))

    assert second["slice"]["said"] == "Unlike the training images"
    assert (second["slice"]["label"], second["slice"]["probability"]) == (None, None)
    assert second["slice"]["positive"] > 0
    assert (last["study"]["declined"], last["study"]["share_declined"]) == (5, 1.0)
    assert "Every slice was declined on its own" in last["html"]


def test_another_sites_page_can_not_take_the_place(client):
    refused = client.post("/studies", headers={"Origin": "https://elsewhere.example"})
    assert (refused.status_code, refused.get_json()["type"]) == (403, "urn:chest-cancer:problem:cross-origin")
    assert client.post("/studies").status_code == 201


def test_parts_may_come_at_once(app_of, files):
    app = app_of()
    address = app.test_client().post("/studies").get_json()["address"]
    parts = list(files.items())
    senders = [
        threading.Thread(target=lambda part=part: app.test_client().post(f"{address}/files", data=form(dict([part]))))
        for part in parts
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert lines(app.test_client().get(f"{address}/answers"))[0]["series"]["slices"] == 6


def test_without_a_model_the_page_says_so(tmp_path, make_app, trained_project):
    project = tmp_path / "empty"
    (project / "conf" / "local").mkdir(parents=True)
    (project / "conf" / "base").symlink_to(trained_project / "conf" / "base")
    assert "No model to serve yet" in make_app(project).test_client().get("/study").get_data(as_text=True)
