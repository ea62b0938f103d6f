"""Slices of one patient, sent together: one answer by the model's own rule, or a sentence why there is none."""

import io
import re

import numpy as np
import pytest

from manifests import PATIENT_RULE
from serving import CLASSIFIER, FIGURES, promote, tiny_classifier, with_changes

DECLINES_ALL = {
    "distance_limit": 1e9, "confidence_limit": 1.1, "validation_images": 9, "validation_refused": 0.0,
    "validation_unsure": 0.0,
}  # fmt: skip


@pytest.fixture
def client_of(project, make_app):
    """Makes a client of an app whose model's manifest has some entries."""

    def make(**changes):
        promote(project / CLASSIFIER, with_changes(tiny_classifier(), **changes), FIGURES)
        return make_app(project).test_client()

    return make


@pytest.fixture
def send(encode):
    """Sends flat images of some brightness."""

    def send(client, address, levels, **fields):
        files = [(io.BytesIO(encode(level)), f"{number}.png") for number, level in enumerate(levels)]
        response = client.post(address, data={"image": files, **fields})
        assert response.status_code == 200
        return response.get_json() if address == "/predict" else response.get_data(as_text=True)

    return send


def noisy_or(probabilities):
    return 1 - np.prod(1 - np.array(probabilities))


def test_slices_of_one_patient_get_one_answer_by_the_models_rule(client_of, send, tumour_probability):
    records = send(client_of(patient_rule=PATIENT_RULE), "/predict", [10, 100, 150], one_patient="1")

    assert [record["label"] for record in records] == ["normal", "normal", "adenocarcinoma"]
    expected = noisy_or([tumour_probability(level) for level in (10, 100, 150)])
    assert records[0]["patient"] == {
        "reads_positive": True,
        "positive_classes": ["adenocarcinoma"],
        "probability": pytest.approx(expected, abs=1e-4),
        "score": pytest.approx(np.log(expected / (1 - expected)), abs=1e-3),
        "threshold": 0.5,
        "rule": "noisy-or",
        "slices": 3,
        "without_lung": 0,
        "copies": 0,
        "declined": 0,
        "unreadable": 0,
        "reason": None,
    }
    assert records[0]["patient"] == records[1]["patient"] == records[2]["patient"]


@pytest.mark.parametrize("fields", [{}, {"one_patient": "0"}, {"one_patient": ""}])
def test_nothing_is_said_of_a_patient_unasked(client_of, send, fields):
    client = client_of(patient_rule=PATIENT_RULE)

    assert "patient" not in send(client, "/predict", [10, 100], **fields)[0]
    assert "The patient" not in send(client, "/", [10, 100], **fields)


def test_a_picture_that_is_sent_twice_counts_once(client_of, send):
    client = client_of(patient_rule=PATIENT_RULE)

    once = send(client, "/predict", [10, 100], one_patient="1")[0]["patient"]
    twice = send(client, "/predict", [10, 100, 100], one_patient="1")[0]["patient"]

    assert twice == once | {"copies": 1}
    assert "Copies, which do not count" in send(client, "/", [10, 100, 100], one_patient="1")


def test_a_file_that_cant_be_read_does_not_count_and_is_counted(client_of, encode):
    client = client_of(patient_rule=PATIENT_RULE)

    def files():
        return [(io.BytesIO(encode(150)), "1.png"), (io.BytesIO(b"words"), "notes.txt")]

    said = client.post("/predict", data={"image": files(), "one_patient": "1"}).get_json()[1]["patient"]
    text = client.post("/", data={"image": files(), "one_patient": "1"}).get_data(as_text=True)

    assert (said["slices"], said["unreadable"]) == (1, 1)
    assert 'Files that can\'t be read, which do not count</dt><dd class="number">1</dd>' in text


def test_declined_slices_count_as_any_other(client_of, send):
    sure = send(client_of(patient_rule=PATIENT_RULE), "/predict", [10, 100], one_patient="1")
    client = client_of(patient_rule=PATIENT_RULE, abstention=DECLINES_ALL)
    declined = send(client, "/predict", [10, 100], one_patient="1")

    assert [record["reason"] for record in declined] == ["not sure"] * 2
    assert declined[0]["patient"] == sure[0]["patient"] | {"declined": 2}
    assert "Every slice was declined on its own" in send(client, "/", [10, 100], one_patient="1")


@pytest.mark.parametrize(("threshold", "words"), [(0.5, "Reads positive"), (9.0, "Does not read positive")])
def test_the_page_answers_about_the_patient_above_the_slices(client_of, send, threshold, words):
    text = send(client_of(patient_rule=PATIENT_RULE | {"threshold": threshold}), "/", [10, 100, 150], one_patient="1")

    assert re.findall(r'<h3 id="(?:patient-title|result-\d)">(.*?)</h3>', text) == [
        f"{words}: Adenocarcinoma Cancer", "Normal", "Normal", "Adenocarcinoma Cancer"
    ]  # fmt: skip
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd(?: class=\"number\")?>(.*?)</dd>", text))
    assert (facts["Slices that count"], facts["of these, declined on their own"], facts["Rule"]) == (
        "3",
        "0",
        "noisy-or",
    )
    assert facts["positive from"] == f"{threshold:.2f}" != facts["Score in log-odds"]
    assert "set on 25\n    validation patients" in text
    assert text.count("From a model trained on synthetic phantoms") == 4


def test_a_patient_reads_for_the_classes_that_were_asked_for(client_of, send, tumour_probability):
    client = client_of(patient_rule=PATIENT_RULE, positive_classes=["normal"])

    said = send(client, "/predict", [150], one_patient="1")[0]["patient"]

    assert said["positive_classes"] == ["normal"]
    assert said["probability"] == pytest.approx(1 - tumour_probability(150), abs=1e-4)


def test_a_model_without_a_rule_says_why_and_answers_the_slices(client_of, send):
    client = client_of()
    why = "the classifier has no rule for patients: its patients were not known in training"

    first, _ = send(client, "/predict", [10, 150], one_patient="1")
    text = send(client, "/", [10, 150], one_patient="1")

    assert first["label"] == "normal"
    assert first["patient"] == {
        **dict.fromkeys(("reads_positive", "probability", "score", "threshold", "rule")),
        "positive_classes": [], "slices": 2, "without_lung": 0, "copies": 0, "declined": 0, "unreadable": 0,
        "reason": why,
    }  # fmt: skip
    assert '<h3 id="patient-title">No answer about the patient</h3>' in text
    assert f"T{why[1:]}. Each slice is answered on its own below." in text


def test_the_form_offers_it_and_does_not_choose_it(client_of):
    text = client_of().get("/").get_data(as_text=True)

    assert re.search(r'<input id="one-patient" name="one_patient" type="checkbox" value="1" *>', text)
    assert '<label for="one-patient">These images are slices of one patient</label>' in text


def test_slices_that_differ_count_each_as_in_batches_though_the_network_sees_no_difference(client_of, encode):
    levels = np.full((448, 448, 3), 100, np.uint8)
    other = levels.copy()
    other[0, 0] = 101  # gone in the network's 224 x 224 pixels
    files = [(io.BytesIO(encode(pixels)), "slice.png") for pixels in (levels, other, levels)]

    records = (
        client_of(patient_rule=PATIENT_RULE).post("/predict", data={"image": files, "one_patient": "1"}).get_json()
    )

    assert records[0]["probabilities"] == records[1]["probabilities"]
    assert (records[0]["patient"]["slices"], records[0]["patient"]["copies"]) == (2, 1)


@pytest.mark.parametrize(("said", "meant"), [("False", False), ("no", False), ("off", False), ("True", True)])
def test_a_switch_is_off_where_it_says_so_in_whatever_way(client_of, encode, said, meant):
    fields = {"image": (io.BytesIO(encode(100)), "slice.png"), "one_patient": said}

    (record,) = client_of(patient_rule=PATIENT_RULE).post(f"/predict?explain={said}", data=fields).get_json()

    assert ("patient" in record, "evidence" in record) == (meant, meant)
