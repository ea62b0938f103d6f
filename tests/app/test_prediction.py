import base64
import gzip
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from dicom_files import dicom
from serving import CLASSIFIER, tiny_classifier, with_changes

TYPE = "urn:chest-cancer:problem:"


def form(*files):
    return {"image": [(io.BytesIO(data), name) for name, data in files]}


def problem(response, status, kind):
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    document = response.get_json()
    assert document["status"] == status
    assert document["type"] == TYPE + kind
    assert document["request_id"] == response.headers["X-Request-ID"]
    return document["detail"]


def test_the_public_projects_request_and_reading_work_unchanged(client, encode):
    # As their pages do it: base64 without a prefix in, `[0].image` out.
    for brightness, expected in ((0, "Normal"), (255, "Adenocarcinoma Cancer")):
        body = json.dumps({"image": base64.b64encode(encode(brightness)).decode()})
        response = client.post("/predict", data=body, content_type="application/json")
        assert response.status_code == 200
        assert response.get_json()[0]["image"] == expected


def test_a_record_says_what_was_found_and_who_says_so(client, encode, tumour_probability):
    response = client.post("/predict", data=form(("slice.png", encode(64))))
    expected = tumour_probability(64)
    assert response.get_json() == [
        {
            "image": "Normal",
            "abstained": False,
            "reason": None,
            "warning": None,
            "label": "normal",
            "probability": pytest.approx(1 - expected, abs=1e-4),
            "probabilities": {
                "adenocarcinoma": pytest.approx(expected, abs=1e-4),
                "normal": pytest.approx(1 - expected, abs=1e-4),
            },
            "distance": None,
            "limits": None,
            "model": {"version": "1.2.3", "run_id": "5fa5a1e684634dff", "synthetic": True},
            "request_id": response.headers["X-Request-ID"],
            "filename": "slice.png",
        }
    ]


def test_several_files_get_their_own_answers_in_order(client, encode, tumour_probability):
    levels = [200, 10, 130, 90, 250]
    response = client.post("/predict", data=form(*[(f"{level}.png", encode(level)) for level in levels]))
    records = response.get_json()
    assert [record["filename"] for record in records] == [f"{level}.png" for level in levels]
    assert [record["probabilities"]["adenocarcinoma"] for record in records] == pytest.approx(
        [tumour_probability(level) for level in levels], abs=1e-4
    )


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:;base64,"])
def test_json_takes_base64_with_and_without_a_data_prefix(client, encode, prefix):
    body = {"image": prefix + base64.b64encode(encode(255)).decode()}
    assert client.post("/predict", json=body).get_json()[0]["label"] == "adenocarcinoma"


def test_base64_may_be_broken_into_lines(client, encode):
    body = {"image": base64.encodebytes(encode(255)).decode()}
    assert client.post("/predict", json=body).get_json()[0]["label"] == "adenocarcinoma"


def test_a_json_record_has_no_filename(client, encode):
    body = {"image": base64.b64encode(encode(255)).decode()}
    assert "filename" not in client.post("/predict", json=body).get_json()[0]


def test_evidence_comes_only_when_asked_for(client, encode):
    left_bright = np.zeros((64, 64, 3), np.uint8)
    left_bright[:, :32] = 255
    url = client.post("/predict?explain=1", data=form(("a.png", encode(left_bright)))).get_json()[0]["evidence"]
    assert url.startswith("data:image/png;base64,")
    evidence = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))
    assert evidence.shape == (224, 224, 4)
    assert evidence[:, :64, 3].mean() > 10 * evidence[:, -64:, 3].mean()
    for query in ("", "?explain=0"):
        assert "evidence" not in client.post(f"/predict{query}", data=form(("a.png", encode(0)))).get_json()[0]


def test_dicom_is_read(client):
    data = Path(get_testdata_file("CT_small.dcm")).read_bytes()
    response = client.post("/predict", data=form(("CT_small.dcm", data)))
    assert response.status_code == 200
    assert 0 < response.get_json()[0]["probability"] < 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"image": null}',
        b'{"image": ""}',
        b'{"image": ["aGk="]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_json_without_an_image_is_refused(client, body):
    response = client.post("/predict", data=body, content_type="application/json")
    assert "JSON object" in problem(response, 400, "no-image")


@pytest.mark.parametrize("text", ["no base64!", "YWJjZ", "\ud800", "data:image/png;base64,?"])
def test_what_is_no_base64_is_refused(client, text):
    assert "not base64" in problem(client.post("/predict", json={"image": text}), 400, "invalid-base64")


def test_base64_may_be_url_safe_and_unpadded(client, encode):
    data = next(data for grey in range(256) if {*"+/"} & set(base64.b64encode(data := encode(grey)).decode()))
    expected = client.post("/predict", json={"image": base64.b64encode(data).decode()}).get_json()
    for text in (base64.urlsafe_b64encode(data), base64.urlsafe_b64encode(data).rstrip(b"=")):
        answer = client.post("/predict", json={"image": text.decode()}).get_json()
        assert answer[0]["probability"] == expected[0]["probability"]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_body_packed_by_gzip_is_read(client, encode, encoding):
    body = json.dumps({"image": base64.b64encode(encode(255)).decode()}).encode()
    options = {"content_type": "application/json", "headers": {"Content-Encoding": encoding}}
    assert client.post("/predict", data=gzip.compress(body), **options).status_code == 200


def test_a_form_packed_by_gzip_is_read(client, encode):
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    body = head + encode(255) + b"\r\n--b--\r\n"
    options = {"content_type": "multipart/form-data; boundary=b", "headers": {"Content-Encoding": "gzip"}}
    assert client.post("/predict", data=gzip.compress(body), **options).status_code == 200


def test_a_packed_body_that_is_damaged_large_or_packed_otherwise_is_refused(trained_project, make_app):
    client = make_app(trained_project, MAX_CONTENT_LENGTH=20_000).test_client()

    def post(data, encoding="gzip"):
        return client.post(
            "/predict", data=data, content_type="application/json", headers={"Content-Encoding": encoding}
        )

    assert "not gzip" in problem(post(b"no gzip"), 400, "invalid-gzip")
    assert "end early" in problem(post(gzip.compress(b"{}" * 999)[:-9]), 400, "invalid-gzip")
    problem(post(gzip.compress(bytes(1_000_000))), 413, "too-large")
    assert "Content-Encoding: br" in problem(post(b"x", "br"), 415, "unsupported-media-type")


def test_a_file_without_a_name_is_read(client, encode):
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename=""\r\n\r\n'
    body = head + encode(255) + b"\r\n--b--\r\n"
    response = client.post("/predict", data=body, content_type="multipart/form-data; boundary=b")
    assert response.status_code == 200


def test_an_image_that_came_as_text_is_refused_with_the_cure(client):
    detail = problem(
        client.post("/predict", data={"image": "slice.png"}, content_type="multipart/form-data"), 400, "no-image"
    )
    assert "as text: send it as a file, with curl as `-F image=@slice.png`" in detail


@pytest.mark.parametrize(
    ("file_format", "content_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("BMP", "image/bmp; note=1"), ("PNG", "image/jpeg")],
)
def test_a_body_may_be_the_file_itself(client, encode, file_format, content_type):
    response = client.post("/predict?explain=1", data=encode(0, file_format), content_type=content_type)
    (record,) = response.get_json()
    assert (response.status_code, record["image"]) == (200, "Normal")
    assert record["evidence"].startswith("data:image/png")
    assert "filename" not in record


def test_a_body_may_be_a_dicom_file(client):
    (record,) = client.post("/predict", data=dicom(), content_type="application/dicom").get_json()
    assert record["label"] in ("normal", "adenocarcinoma")


@pytest.mark.parametrize(
    ("data", "status", "kind", "detail"),
    [
        (b"", 400, "no-image", "Expected the bytes of an image file as image/png."),
        (b"no image at all", 422, "unusable-image", "image: "),
        (bytes(2000), 413, "too-large", "A request may hold up to 1,000 bytes."),
    ],
)
def test_a_body_that_is_no_usable_file_is_refused(trained_project, make_app, data, status, kind, detail):
    client = make_app(trained_project, MAX_CONTENT_LENGTH=1000).test_client()
    response = client.post("/predict", data=data, content_type="image/png")
    assert response.status_code == status
    assert response.get_json()["type"] == f"urn:chest-cancer:problem:{kind}"
    assert response.get_json()["detail"].startswith(detail)


def test_a_form_without_a_file_is_refused(client, encode):
    assert "form field `image`" in problem(client.post("/predict", data=form(("", b""))), 400, "no-image")
    other_field = {"picture": (io.BytesIO(encode(0)), "a.png")}
    problem(client.post("/predict", data=other_field), 400, "no-image")


def test_another_content_type_is_refused(client, encode):
    response = client.post("/predict", data=encode(0), content_type="application/pdf")
    assert "Received: application/pdf" in problem(response, 415, "unsupported-media-type")
    assert "no content type" in problem(client.post("/predict"), 415, "unsupported-media-type")


def test_a_file_that_cant_be_read_says_so_in_its_place_and_the_others_are_answered(client, encode):
    response = client.post(
        "/predict?explain=1",
        data=form(("1.png", encode(0)), ("notes.txt", b"not an image at all"), ("2.png", encode(255))),
    )

    assert response.status_code == 200
    dark, notes, bright = response.get_json()
    assert (dark["label"], bright["label"]) == ("normal", "adenocarcinoma")
    assert notes.pop("reason").startswith("not a supported image")
    assert notes == {
        "image": "Can't be read", "abstained": True, "warning": None, "label": None, "probability": None,
        "probabilities": {}, "distance": None, "limits": None, "model": dark["model"], "request_id": dark["request_id"],
        "filename": "notes.txt",
    }  # fmt: skip


def test_where_no_file_can_be_read_every_one_is_named(client, encode):
    response = client.post("/predict", data=form(("notes.txt", b"no image"), ("cut.png", encode(0)[:-60])))
    notes, cut = problem(response, 422, "unusable-image").split("\n")
    assert notes.startswith("notes.txt: not a supported image")
    assert cut.startswith("cut.png: ")
    cut_short = client.post("/predict", data=form(("cut.png", encode(0)[:-60])))
    assert problem(cut_short, 422, "unusable-image").startswith("cut.png: ")
    unnamed = client.post("/predict", json={"image": base64.b64encode(b"text").decode()})
    assert problem(unnamed, 422, "unusable-image").startswith("image: ")


def test_limits_are_settings(trained_project, make_app, encode):
    client = make_app(trained_project, MAX_CONTENT_LENGTH=20_000, MAX_FILES=2, MAX_PIXELS=5000).test_client()
    small, large = encode(0), encode(np.zeros((100, 100, 3), np.uint8))
    assert client.post("/predict", data=form(("1.png", small), ("2.png", small))).status_code == 200
    three = client.post("/predict", data=form(*[(f"{i}.png", small) for i in range(3)]))
    assert "3 files exceed the limit of 2" in problem(three, 413, "too-many-images")
    wide = client.post("/predict", data=form(("wide.png", large)))
    assert "wide.png: 100 x 100 pixels exceed the limit of 5,000" in problem(wide, 422, "unusable-image")
    for body in (form(("big.png", bytes(20_000))), json.dumps({"image": "A" * 20_000})):
        heavy = client.post("/predict", data=body, content_type="application/json" if isinstance(body, str) else None)
        assert "up to 20,000 bytes" in problem(heavy, 413, "too-large")


def test_settings_come_from_the_environment(trained_project, make_app, monkeypatch):
    monkeypatch.setenv("CHEST_CANCER_MAX_FILES", "3")
    assert make_app(trained_project).config["MAX_FILES"] == 3
    assert make_app(trained_project, MAX_FILES=5).config["MAX_FILES"] == 5


def test_an_older_model_answers_pictures_and_refuses_what_is_read_in_another_way_now(project, make_app, encode):
    served = project / CLASSIFIER
    shutil.rmtree(served)
    served.mkdir()
    with_changes(tiny_classifier(), preprocessing_version=1).save(served)
    client = make_app(project).test_client()

    assert client.get("/readyz").status_code == 200
    assert client.post("/predict", data=form(("slice.png", encode(255)))).get_json()[0]["label"] == "adenocarcinoma"
    response = client.post("/predict", data=form(("slice.dcm", dicom())))
    assert "slice.dcm: DICOM image in grey of more than 8 bits" in problem(response, 422, "unusable-image")
