"""CT slices above and below the lungs: neither a class nor a refusal, and of no account for the patient."""

import io
import re

import numpy as np
import pytest

from dicom_files import dicom
from manifests import PATIENT_RULE
from serving import CLASSIFIER, FIGURES, promote, tiny_classifier, with_changes
from volume_files import phantom


def abdomen():
    """An oval body of soft tissue in air."""
    rows, columns = np.mgrid[-1:1:96j, -1:1:96j]
    return dicom(np.where((rows / 0.6) ** 2 + (columns / 0.8) ** 2 < 1, 40, -1000).astype(np.int16))


@pytest.fixture
def client(project, make_app):
    promote(project / CLASSIFIER, with_changes(tiny_classifier(), patient_rule=PATIENT_RULE), FIGURES)
    return make_app(project).test_client()


def files(**contents):
    return [(io.BytesIO(content), f"{name}.dcm") for name, content in contents.items()]


def test_a_slice_without_lung_is_neither_a_class_nor_a_refusal(client):
    lung, none = client.post(
        "/predict?explain=1", data={"image": files(chest=dicom(phantom(3)), abdomen=abdomen())}
    ).get_json()

    assert lung["label"] is not None
    assert set(lung["probabilities"]) == {"normal", "adenocarcinoma"}
    assert {name: none[name] for name in ("image", "abstained", "reason", "label", "probability", "probabilities")} == {
        "image": "Not sure",
        "abstained": True,
        "reason": "no lung in this slice",
        "label": None,
        "probability": None,
        "probabilities": {},
    }
    assert "evidence" in lung
    assert "evidence" not in none


def test_the_page_shows_the_slice_and_nothing_that_looks_like_an_answer(client):
    text = client.post("/", data={"image": files(abdomen=abdomen())}).get_data(as_text=True)

    assert "No lung in this slice" in text
    assert "the model was not asked about it, and it does not count" in text
    assert 'alt="The uploaded slice, abdomen.dcm"' in text
    for answer in ("Evidence map for", "Calibrated probability", "If this were a chest CT slice"):
        assert answer not in text


def test_a_model_that_has_learnt_from_such_slices_is_asked_about_them(project, make_app):
    promote(project / CLASSIFIER, with_changes(tiny_classifier(), slices_without_lung=True), FIGURES)
    client = make_app(project).test_client()

    (said,) = client.post("/predict?explain=1", data={"image": files(abdomen=abdomen())}).get_json()
    page = client.post("/", data={"image": files(abdomen=abdomen())}).get_data(as_text=True)

    assert said["reason"] != "no lung in this slice"
    assert set(said["probabilities"]) == {"normal", "adenocarcinoma"}
    assert "evidence" in said
    assert "the model was not asked" not in page


def test_the_network_sees_none_of_them(client):
    def inferences():
        line = re.search(
            r'chest_cancer_stage_seconds_count\{stage="inference"\} (\S+)',
            client.get("/metrics").get_data(as_text=True),
        )
        return float(line[1]) if line else 0.0

    before = inferences()

    client.post("/predict", data={"image": files(abdomen=abdomen())})
    assert inferences() == before

    client.post("/predict", data={"image": files(abdomen=abdomen(), chest=dicom(phantom(3)))})
    assert inferences() == before + 1


def test_it_counts_for_no_patient(client):
    chest = {"chest": dicom(phantom(3))}
    alone = client.post("/predict", data={"image": files(**chest), "one_patient": "1"}).get_json()[0]["patient"]
    both = client.post("/predict", data={"image": files(**chest, abdomen=abdomen()), "one_patient": "1"})

    assert both.get_json()[0]["patient"] == alone | {"without_lung": 1}
    assert alone["slices"] == 1

    none = client.post("/predict", data={"image": files(abdomen=abdomen()), "one_patient": "1"}).get_json()[0][
        "patient"
    ]
    assert (none["reads_positive"], none["slices"], none["reason"]) == (None, 0, "no slice shows lung")
    page = client.post("/", data={"image": files(abdomen=abdomen()), "one_patient": "1"}).get_data(as_text=True)
    assert "No answer about the patient" in page
    assert "No slice shows lung." in page


def test_a_coronal_slice_is_refused_by_its_orientation(client):
    coronal = dicom(phantom(3), ImageOrientationPatient=[1, 0, 0, 0, 0, -1])

    response = client.post("/predict", data={"image": files(slice=coronal)})

    assert response.status_code == 422
    assert "slice.dcm: DICOM ImageOrientationPatient (0020,0037) is coronal" in response.get_json()["detail"]


def test_another_part_of_the_body_is_refused_by_its_value(client):
    head = dicom(np.full((96, 96), -40, np.int16), BodyPartExamined="HEAD")

    response = client.post("/predict", data={"image": files(slice=head)})

    assert response.status_code == 422
    assert "slice.dcm: DICOM BodyPartExamined (0018,0015) is HEAD, and the slice" in response.get_json()["detail"]
