import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app import create_app
from app.capacity import Capacity
from chest_cancer.imaging.pixels import DecodedImage


@pytest.fixture
def ask(encode):
    data = encode(0)

    def ask(app, **arguments):
        form = {"image": [(io.BytesIO(data), "a.png")]}
        return app.test_client().post("/predict", data=form, **arguments)

    return ask


def busy(response, kind="busy"):
    document = response.get_json()
    assert response.status_code == 503
    assert document["type"] == f"urn:chest-cancer:problem:{kind}"
    assert int(response.headers["Retry-After"]) >= 1
    return document["detail"]


def test_a_request_beyond_the_limit_is_refused_at_once_and_later_taken(trained_project, make_app, ask):
    app = make_app(trained_project, MAX_REQUESTS=1)
    with app.test_request_context("/predict", method="POST"), Capacity.of(app).admit():
        assert "as many requests as it can hold" in busy(ask(app))
        assert app.test_client().get("/healthz").status_code == 200
    assert ask(app).status_code == 200


def test_requests_share_a_budget_of_bytes(trained_project, make_app, ask):
    app = make_app(trained_project, MAX_BYTES=1000, MAX_CONTENT_LENGTH=1000)
    with app.test_request_context("/predict", method="POST", content_length=900), Capacity.of(app).admit():
        busy(ask(app))
    assert ask(app).status_code == 200


def test_a_body_of_unknown_length_counts_as_the_longest(trained_project, make_app, ask):
    app = make_app(trained_project, MAX_BYTES=1000, MAX_CONTENT_LENGTH=1000)
    with app.test_request_context("/predict", method="POST"), Capacity.of(app).admit():
        busy(ask(app))


def test_whoever_waits_too_long_for_a_turn_is_told(trained_project, make_app, ask):
    app = make_app(trained_project, MAX_DECODES=1, REQUEST_SECONDS=1)
    app.test_client().get("/readyz")  # which loads the model
    with app.test_request_context("/predict", method="POST"):
        app.preprocess_request()
        with Capacity.of(app).decode():
            assert "within 1 s" in busy(ask(app), "out-of-time")
    assert ask(app).status_code == 200


def test_only_so_many_images_are_decoded_at_once(trained_project, make_app, encode, monkeypatch):
    app = make_app(trained_project, MAX_DECODES=2)
    together, most = [], []
    pair = threading.Barrier(2)

    def decode(data, max_pixels):
        together.append(1)
        most.append(len(together))
        pair.wait(timeout=10)  # both places are taken
        together.pop()
        return DecodedImage(np.zeros((224, 224, 3), np.uint8), "PNG", "RGB", 224, 224, "8 bits")

    monkeypatch.setattr("app.slices.decode_image", decode)
    data = encode(0)
    with ThreadPoolExecutor(8) as clients:
        statuses = clients.map(
            lambda _: app.test_client().post("/predict", data={"image": (io.BytesIO(data), "a.png")}).status_code,
            range(8),
        )
    assert set(statuses) == {200}
    assert max(most) == 2


@pytest.mark.parametrize("value", ["many", 0, -1, 2.5, True])
def test_a_limit_that_is_none_is_refused_at_the_start(value):
    with pytest.raises(ValueError, match=r"CHEST_CANCER_MAX_FILES: expected a whole number of at least 1\. Received"):
        create_app({"MAX_FILES": value})
