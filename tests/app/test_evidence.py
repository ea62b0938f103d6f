"""What is said of an answer: its evidence in numbers and words, the rule behind it, and what a refusal is."""

import io
import math
import re

import numpy as np
import pytest

from dicom_files import dicom
from serving import CLASSIFIER, FIGURES, promote, tiny_classifier, with_changes
from volume_files import phantom

LIMITS = {
    "distance_limit": 1.3,
    "confidence_limit": 0.65,
    "validation_images": 48,
    "validation_refused": 0.0,
    "validation_unsure": 0.1,
}
REAL = {"kind": "folder", "location": "slices", "synthetic": False}
AXIAL = [1, 0, 0, 0, 1, 0]


@pytest.fixture
def client_of(project, make_app):
    """Serves the tiny classifier, of which an image's distance is 0, with another manifest."""

    def make(**changes):
        if data := changes.get("data"):
            changes["data"] = tiny_classifier().manifest.data.model_dump() | data
        promote(project / CLASSIFIER, with_changes(tiny_classifier(), **changes), FIGURES)
        return make_app(project).test_client()

    return make


def send(client, address, data, name="slice.png"):
    response = client.post(address, data={"image": (io.BytesIO(data), name)})
    assert response.status_code == 200
    return response


def words(client, data, name="slice.png"):
    """The text of the result, in plain characters."""
    text = send(client, "/", data, name).get_data(as_text=True)
    article = text[text.index('<article class="result"') : text.index("</article>")]
    plain = article.replace("</dt>", " ").replace("\N{MINUS SIGN}", "-").replace("\N{MULTIPLICATION SIGN}", "x")
    return " ".join(re.sub(r"<[^>]+>", "", plain).split())


def left_bright(encode):
    pixels = np.full((64, 64, 3), 100, np.uint8)
    pixels[44:, :20] = 255
    return encode(pixels)


def test_cells_and_constant_are_the_log_odds_of_the_probability(client, encode):
    (said,) = send(client, "/predict?explain=1", left_bright(encode)).get_json()

    explanation = said["explanation"]
    assert explanation["label"] == said["label"] == "normal"
    assert np.shape(explanation["cells"]) == (7, 7)
    assert explanation["constant"] == pytest.approx(2)
    total = explanation["constant"] + np.sum(explanation["cells"])
    assert explanation["log_odds"] == pytest.approx(total, abs=1e-4)
    assert total == pytest.approx(math.log(said["probability"] / (1 - said["probability"])), abs=1e-4)
    assert explanation["frame"] == [0, 0, 1, 1]


def test_the_page_adds_up_and_puts_the_numbers_on_the_scale(client, encode):
    text = words(client, encode(255))

    assert "-0.08 against “Adenocarcinoma Cancer” 0 +0.08 for it" in text
    assert (
        "An average training slice gets -2.00, the cells of this one add +4.00: log-odds of +2.00 for "
        "“Adenocarcinoma Cancer”, which is 88.1 %." in text
    )
    assert text.count("+0.08") == 49 + 2
    assert "What the network saw, and the cells as they are" in text
    assert (
        "224 x 224 pixels, the whole picture as a square (the body is not looked for, so a wider or narrower margin "
        "can change the answer), as bright as the file has it."
    ) in text


def test_a_model_that_does_not_know_its_average_says_so_and_shows_its_map(client_of, encode):
    client = client_of(average_scores=None)

    text = words(client, encode(255))
    assert "This model does not know the score of an average slice" in text
    assert "log-odds of" not in text.replace("log-odds of “", "")
    explanation = send(client, "/predict?explain=1", encode(255)).get_json()[0]["explanation"]
    assert (explanation["constant"], explanation["log_odds"]) == (None, None)


def test_words_say_where_the_strongest_cells_are_and_the_side_of_the_patient_only_if_it_is_known(client, encode):
    def said(data, name):
        return send(client, "/predict?explain=1", data, name).get_json()[0]["explanation"]["words"]

    assert said(left_bright(encode), "a.png").startswith("Most against it: lower left in the image (")
    assert said(encode(0), "a.png") == "No cell speaks for it or against it."
    bright = phantom(3).copy()
    bright[:, : bright.shape[1] // 2] += 3000
    with_side = said(dicom(bright, ImageOrientationPatient=AXIAL), "a.dcm")
    turned = said(dicom(bright, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]), "a.dcm")
    unknown = said(dicom(bright), "a.dcm")
    assert re.search(r"Most for it: \w+ left in the image, the patient's right \(", with_side)
    assert turned == with_side.replace("patient's right", "patient's left")
    assert unknown == with_side.replace(", the patient's right", "")


def test_an_answer_says_the_rule_that_it_follows(client_of, encode):
    by_threshold = client_of(answer_rule="operating threshold")
    text = words(by_threshold, encode(115))
    assert "Adenocarcinoma Cancer 45.1 % calibrated probability" in text
    rule = "Rule: the answer is disease if the probability of disease is 42.0 % or more; here it is 45.1 %."
    assert f"{rule} So the answer is not the most probable" in text
    assert "So the answer" not in words(by_threshold, encode(255))
    assert "Rule: the answer is the most probable class." in words(client_of(), encode(255))


def test_not_sure_shows_how_probable_it_would_have_to_be_and_nothing_of_foreign_images(client_of, encode):
    client = client_of(abstention=LIMITS)

    text = words(client, encode(135))
    assert (
        "Not sure No answer: the class that this model leans to, “Adenocarcinoma Cancer”, is not probable enough"
        in text
    )
    assert "Distance from the training images 0.00, at most 1.30" in text
    assert "Probability of “Adenocarcinoma Cancer” 52.9 %; an answer needs at least 65.0 %" in text
    assert "The map is about “Adenocarcinoma Cancer”, the class that the model leans to. That is not an answer." in text
    assert "which is 52.9" not in text
    assert "calibrated" not in text
    assert "chest CT" not in text
    (said,) = send(client, "/predict", encode(135)).get_json()
    assert (said["reason"], said["label"], said["distance"]) == ("not sure", None, 0)
    assert said["limits"] == {"distance": 1.3, "probability": 0.65}


def test_what_is_too_far_away_is_unlike_the_training_images_where_it_shows_lungs(client_of, encode):
    client = client_of(abstention=LIMITS | {"distance_limit": -1.0})

    picture, slice_ = words(client, encode(255)), words(client, dicom(phantom(3)), "a.dcm")
    assert (
        "Not a chest CT slice No answer: this image is not like the chest CT slices that this model was trained on."
        in picture
    )
    assert "Unlike the training images No answer: this slice shows lungs, but by its scanner, window" in slice_
    for text in (picture, slice_):
        assert "Distance from the training images 0.00, at most -1.00" in text
        assert "%" not in text[text.index("No answer") :]
        assert "An average training slice gets" not in text
    said = [send(client, "/predict", data).get_json()[0] for data in (encode(255), dicom(phantom(3)))]
    assert [one["reason"] for one in said] == ["not a chest CT slice", "unlike the training images"]
    assert [one["label"] for one in said] == [None, None]


def test_phantoms_to_try_are_offered_by_a_model_of_phantoms_only_and_say_what_they_are(client, client_of):
    page = client.post("/", data={"sample": "adenocarcinoma_2.png"}).get_data(as_text=True)
    assert "A phantom that was drawn as <strong>Adenocarcinoma Cancer</strong>" in page
    assert "drawn as Normal" in page

    real = client_of(data=REAL)
    assert "sample" not in real.get("/").get_data(as_text=True)
    response = real.post("/", data={"sample": "normal_1.png"})
    assert response.status_code == 400
    assert "Expected none: this model did not learn from phantoms." in response.get_data(as_text=True)
