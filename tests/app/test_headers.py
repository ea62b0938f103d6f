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
