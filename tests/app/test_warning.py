"""An answer to a slice unlike the training images: a class, and words in the place of its probability."""

import io

from serving import CLASSIFIER, FIGURES, promote, tiny_classifier, with_changes
from volume_files import series, stack

UNLIKE_ALL = {
    "distance_limit": 1e9, "usual_distance": -1.0, "confidence_limit": 0.0, "validation_images": 9,
    "validation_refused": 0.0, "validation_unusual": 1.0, "validation_unsure": 0.0,
}  # fmt: skip


def test_page_and_json_give_the_class_and_say_why_it_has_no_probability(project, make_app, encode):
    promote(project / CLASSIFIER, with_changes(tiny_classifier(), abstention=UNLIKE_ALL), FIGURES)
    client = make_app(project).test_client()

    page = client.post("/", data={"image": (io.BytesIO(encode(255)), "a.png")}).get_data(as_text=True)
    (record,) = client.post("/predict", data={"image": (io.BytesIO(encode(255)), "a.png")}).get_json()

    assert ">Adenocarcinoma Cancer</h3>" in page
    assert "Calibrated on slices unlike this one" in page
    assert "calibrated probability" not in page
    assert "Calibrated probability of each class" not in page
    assert (record["label"], record["abstained"]) == ("adenocarcinoma", False)
    assert (record["probability"], record["warning"]) == (None, "calibrated on slices unlike this one")


def test_a_study_says_it_of_each_slice(project, make_app):
    promote(project / CLASSIFIER, with_changes(tiny_classifier(), abstention=UNLIKE_ALL), FIGURES)
    client = make_app(project).test_client()

    def form():
        return {"file": [(io.BytesIO(data), name) for name, data in series(stack(2)).items()]}

    page = client.post("/study", data=form(), headers={"Accept": "text/html"}).get_data(as_text=True)
    answers = client.post("/study", data=form()).get_json()["answers"]

    assert ", calibrated on slices unlike this one" in page
    assert {(one["probability"], one["warning"]) for one in answers} == {(None, "calibrated on slices unlike this one")}
