import io
import shutil

from prometheus_client.parser import text_string_to_metric_families

from app.metrics import PROBLEMS
from serving import CLASSIFIER, RUN_ID


def figures(client):
    """Every figure by its name and labels."""
    text = client.get("/metrics").get_data(as_text=True)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_latency_answers_and_refusals_are_counted(client, encode):
    client.post("/predict", data={"image": (io.BytesIO(encode(0)), "a.png")})
    before = figures(client)
    client.post("/predict", data={"image": (io.BytesIO(encode(255)), "a.png")})
    client.post("/predict", data={"image": (io.BytesIO(b"text"), "a.txt")})
    after = figures(client)

    def grown(*name):
        return after[name] - before.get(name, 0)

    assert grown("chest_cancer_request_seconds_count", "/predict", "200", "POST") == 1
    assert grown("chest_cancer_request_seconds_count", "/predict", "422", "POST") == 1
    assert grown("chest_cancer_answers_total", "adenocarcinoma") == 1
    assert grown("chest_cancer_problems_total", "unusable-image") == 1
    assert grown("chest_cancer_stage_seconds_count", "inference") == 1
    assert after[("chest_cancer_classifications_in_progress",)] == 0


def test_the_served_model_is_named(client, project, make_app):
    client.get("/readyz")
    after = figures(client)
    assert after[("chest_cancer_model_loaded",)] == 1
    assert after[("chest_cancer_model_info", *sorted(["1.2.3", RUN_ID, "true", "fp32"]))] == 1
    shutil.rmtree(project / CLASSIFIER)
    assert figures(make_app(project).test_client())[("chest_cancer_model_loaded",)] == 0


def test_addresses_that_clients_make_up_do_not_become_labels(client):
    client.get("/some/made-up/address")
    assert not [name for name in figures(client) if any("made-up" in part for part in name)]
    assert PROBLEMS.labels("Not Found")
