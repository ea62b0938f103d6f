"""The page about several files at once: all in a table, details of each, and all of it to take along."""

import base64
import csv
import io
import json
import re

import pytest

from app.downloads import csv_url


@pytest.fixture
def send(client, encode):
    """Sends a bright, a dark and no image to an address."""

    def send(address="/"):
        files = [(encode(255), "bright.png"), (b"words", "notes.txt"), (encode(0), "dark.png")]
        response = client.post(address, data={"image": [(io.BytesIO(data), name) for data, name in files]})
        assert response.status_code == 200
        return response

    return send


def rows_of(text):
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("<tr>")[1:]]
    return [[re.sub(r"<.*?>", "", cell).strip() for cell in row] for row in cells]


def download(text, name):
    kind, url = re.search(rf'href="data:([a-z/]+);charset=utf-8;base64,([^"]+)" download="{name}"', text).groups()
    return kind, base64.b64decode(url).decode()


def table(url):
    text = base64.b64decode(url.partition(",")[2]).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_every_file_has_a_row_also_one_that_cant_be_read(send):
    rows = rows_of(send().get_data(as_text=True))

    assert [row[:4] for row in rows] == [
        ["", "bright.png", "Adenocarcinoma Cancer", "88.1 %"],
        ["", "notes.txt", "Can't be read", ""],
        ["", "dark.png", "Normal", "88.1 %"],
    ]
    assert rows[1][4].startswith("Not a supported image")


def test_a_row_leads_to_its_details(send):
    text = send().get_data(as_text=True)

    assert re.findall(r'<a href="#(image-\d)">', text) == re.findall(r'id="(image-\d)"', text) == ["image-1", "image-3"]
    assert text.count('<a href="#overview">') == 2


def test_one_image_has_no_table(client, encode):
    text = client.post("/", data={"image": (io.BytesIO(encode(255)), "a.png")}).get_data(as_text=True)

    assert "<h3" in text
    assert 'id="overview"' not in text


def test_the_json_to_take_along_is_what_programs_get(send):
    kind, text = download(send().get_data(as_text=True), "answers.json")

    assert kind == "application/json"
    for mine, theirs in zip(json.loads(text), send("/predict").get_json(), strict=True):
        assert mine | {"request_id": ""} == theirs | {"request_id": ""}


def test_the_table_to_take_along_has_a_row_for_each_file(send):
    text = send().get_data(as_text=True)
    url = re.search(r'href="(data:text/csv[^"]+)"', text)[1]

    bright, notes, dark = table(url)

    assert (bright["filename"], bright["label"], bright["reason"]) == ("bright.png", "adenocarcinoma", "")
    assert float(bright["probability"]) == float(bright["probability_adenocarcinoma"]) == pytest.approx(0.881, abs=1e-3)
    assert (notes["label"], notes["probability_normal"]) == ("", "")
    assert notes["reason"].startswith("not a supported image")
    assert dark["label"] == "normal"
    assert bright["model_run_id"] == "5fa5a1e684634dff"


@pytest.mark.parametrize("name", ["=1+1.png", "@a.png", "-a.png", "+a.png"])
def test_a_file_name_is_no_formula_in_a_spreadsheet(name):
    assert table(csv_url([{"filename": name, "probability": -0.5}])) == [
        {"filename": f"'{name}", "probability": "-0.5"}
    ]


def test_values_within_values_have_columns_of_their_own():
    assert table(csv_url([{"filename": "a", "patient": {"positive_classes": ["x", "y"], "slices": 2}}])) == [
        {"filename": "a", "patient_positive_classes": "x; y", "patient_slices": "2"}
    ]
