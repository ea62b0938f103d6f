import io
import re

import pytest

from app.samples import SAMPLES

HTML = {"Accept": "text/html"}


def page(response, status=200):
    assert response.status_code == status
    assert response.mimetype == "text/html"
    return response.get_data(as_text=True)


def test_the_page_has_a_form_that_needs_no_script(client):
    text = page(client.get("/"))
    assert "<h1>Chest Cancer Classification</h1>" in text
    assert re.search(r'<form id="upload" action="/" method="post" enctype="multipart/form-data"', text)
    assert re.search(r'<label for="image">', text)
    assert re.search(r'<input id="image" name="image" type="file" multiple', text)
    assert 'role="status"' in text


def test_the_page_says_what_model_it_is_and_how_well_it_did(client):
    text = page(client.get("/"))
    for fact in ("Trained on synthetic phantoms only", "1.2.3", "0123456789", "5fa5a1e6", "2026-11-23 06:33 UTC"):
        assert fact in text
    cell = r'\s*<td class="number">(.*?)</td>'
    figures = re.findall(rf'<th scope="row">([^<]+)</th>{cell}{cell}', text)
    assert figures == [("Sensitivity", "0.92", "0.74 to 0.98"), ("Cross-entropy, nats", "0.68", "0.64 to 0.72")]
    assert "Not a medical device" in text
    assert "144 training, 48 validation, 48 test" in text


def test_the_form_is_answered_with_a_page(client, encode):
    files = [(io.BytesIO(encode(255)), "bright.png"), (io.BytesIO(encode(0)), "<b>.png")]
    text = page(client.post("/", data={"image": files}))
    assert re.findall(r'<h3 id="result-\d">(.*?)</h3>', text) == ["Adenocarcinoma Cancer", "Normal"]
    assert "88.1 %" in text
    assert "bright.png" in text
    assert "&lt;b&gt;.png" in text
    assert "<b>.png" not in text
    assert text.count('class="slice" src="data:image/png;base64,') == 2
    assert text.count('class="evidence" src="data:image/png;base64,') == 2
    assert "It is not the outline of a tumour" in text


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_are_served_small_and_classified(client, sample):
    image = client.get(f"/static/samples/{sample}", buffered=True)
    assert image.status_code == 200
    assert len(image.data) < 60_000
    assert f'value="{sample}"' in page(client.get("/"))
    assert sample in page(client.post("/", data={"sample": sample}))


def test_a_sample_is_a_name_from_the_list(client):
    assert "Expected one of normal_" in page(client.post("/", data={"sample": "../app.css"}, headers=HTML), 400)


def test_everything_comes_from_the_app_itself_and_nothing_is_inline(client, encode):
    text = page(client.post("/", data={"image": (io.BytesIO(encode(255)), "a.png")}))
    addresses = re.findall(r'(?:src|href|action)="(.*?)"', text)
    assert all(
        re.match(r"/(static/|train$|reference$|study$|$)|#|data:(image/png|text/csv|application/json)[;,]", address)
        for address in addresses
    )
    assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=|javascript:", text)
    for address in set(addresses):
        if address.startswith("/"):
            assert client.get(address, buffered=True).status_code == (403 if address == "/train" else 200)


def test_a_browser_gets_errors_as_a_page(client):
    text = page(client.post("/", data={"image": (io.BytesIO(b"words"), "notes.txt")}, headers=HTML), 422)
    assert "notes.txt: not a supported image" in text
    assert 'role="alert"' in text
    assert 'href="/"' in text
    assert "Not Found" in page(client.get("/nothing", headers=HTML), 404)
