import pytest


@pytest.mark.parametrize("address", ["/", "/healthz", "/nothing", "/static/app.css", "/predict"])
def test_every_answer_keeps_browsers_on_a_short_lead(client, address):
    headers = client.get(address, headers={"Origin": "https://elsewhere.example"}, buffered=True).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("frame-ancestors") == "'none'"
    assert policy.pop("base-uri") == "'none'"
    assert policy.pop("img-src") == "'self' data: blob:"
    assert set(policy) == {"script-src", "style-src", "connect-src", "form-action"}
    assert set(policy.values()) == {"'self'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert not [name for name, _ in headers if name.startswith("Access-Control")]


def test_no_cache_may_keep_an_answer(client):
    assert client.get("/").headers["Cache-Control"] == "no-store"
    assert client.post("/predict", json={}).headers["Cache-Control"] == "no-store"


def test_a_method_that_is_not_there_is_refused_with_those_that_are(client):
    response = client.put("/predict")
    assert response.status_code == 405
    assert response.get_json()["title"] == "Method Not Allowed"
    assert "POST" in response.headers["Allow"]


VIEWER = "https://viewer.example"


def test_pages_of_listed_origins_may_send_images_and_no_others(trained_project, make_app, encode):
    client = make_app(trained_project, CORS_ORIGINS=[VIEWER]).test_client()
    asked = client.options("/predict", headers={"Origin": VIEWER, "Access-Control-Request-Method": "POST"}).headers
    assert asked["Access-Control-Allow-Origin"] == VIEWER
    assert "POST" in asked["Access-Control-Allow-Methods"]
    assert "Content-Type" in asked["Access-Control-Allow-Headers"]
    for body, status in ((encode(0), 200), (b"", 400)):
        response = client.post("/predict", data=body, content_type="image/png", headers={"Origin": VIEWER})
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == VIEWER
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Origin" in response.headers["Vary"]
    other = client.options("/predict", headers={"Origin": "https://other.example"}).headers
    assert "Access-Control-Allow-Origin" not in other
    assert "Origin" in other["Vary"]


@pytest.mark.parametrize("address", ["/", "/train", "/train/jobs", "/metrics", "/readyz"])
def test_what_a_token_opens_and_pages_are_shared_with_no_origin(trained_project, make_app, address):
    client = make_app(trained_project, CORS_ORIGINS=[VIEWER]).test_client()
    assert "Access-Control-Allow-Origin" not in client.get(address, headers={"Origin": VIEWER}).headers
