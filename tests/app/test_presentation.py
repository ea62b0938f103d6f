import pytest
from flask import render_template_string
from markupsafe import Markup

from app.presentation import curve_svg, duration, figure, figure_name, inline_code, is_share, step_name

FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}


@pytest.mark.parametrize(("value", "text"), [(0.00001, "&lt; 0.1 %"), (0.99999, "&gt; 99.9 %"), (0.5, "50.0 %")])
def test_no_probability_is_shown_as_certain(client, value, text):
    with client.application.app_context():
        assert render_template_string("{{ value|percent }}", value=value) == text


def test_a_figure_is_never_without_its_interval_and_may_be_unknown():
    assert figure(FIGURE) == "0.50 (0.40 to 0.60)"
    assert figure(FIGURE | {"value": None}) == "unknown"
    assert not is_share(FIGURE | {"value": None}, "accuracy")
    assert not is_share(FIGURE, "loss")


@pytest.mark.parametrize(
    ("ended", "text"),
    [(None, ""), ("2026-01-01T00:00:59+00:00", "59 s"), ("2026-01-01T01:02:03+00:00", "62 min 3 s")],
)
def test_durations_are_in_minutes_and_seconds(ended, text):
    assert duration({"started": "2026-01-01T00:00:00+00:00", "ended": ended}) == text


def test_names_are_words():
    assert (step_name("model_training.train_head_node"), figure_name("wrong_COVID-19")) == (
        "Train head",
        "COVID-19: answered wrongly",
    )


def test_what_is_written_into_html_is_escaped():
    assert inline_code("a `<b>` & c") == Markup("a <code>&lt;b&gt;</code> &amp; c")


def test_a_curve_ends_at_the_right_edge_and_its_highest_loss_at_the_top():
    svg = curve_svg([[1, 2.0, None], [2, 1.0, 1.0]])
    assert '<polyline class="training" points="150.0,0.0 300.0,50.0"/>' in svg
    assert '<polyline class="validation" points="300.0,50.0"/>' in svg
    assert "over 2 epochs, from 0 to 2.00" in svg
