import re

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import AuthKind  # noqa: F401

from app import create_app
from chest_cancer import __version__
from serving import TOKEN, make_project

NOT_DESCRIBED = {"/", "/reference", "/train", "/train/login", "/train/logout", "/static/<path:filename>"}


def test_every_address_for_programs_is_described(client):
    described = client.get("/openapi.json").get_json()
    assert described["info"]["version"] == __version__
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(rule)), method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if str(rule) not in NOT_DESCRIBED
    }
    assert routes | {("/train", "post")} == {
        (path, method) for path, item in described["paths"].items() for method in item
    }


def test_the_page_shows_every_address_and_object(client):
    text = client.get("/reference").get_data(as_text=True)
    described = client.get("/openapi.json").get_json()
    for path in described["paths"]:
        assert f"<code>{path}</code>" in text
    for name in described["components"]["schemas"]:
        assert f'<h3 id="{name}">' in text
        assert f'href="#{name}"' in text or name not in text.split("href")[0]
    assert "`" not in text
