"""Reports in a browser, as the app serves them: folded, found by links, accessible, on paper and on a telephone."""

import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from app.headers import REPORT_POLICY
from browsing import CHROMIUM, assert_accessible
from chest_cancer.reporting.pictures import Gallery, Shown
from chest_cancer.reporting.plots import plot_confusion, plot_reliability, plot_roc
from chest_cancer.reporting.report import render_report
from chest_cancer.reporting.style import styled
from chest_cancer.reporting.templates import AuditedPart
from manifests import manifest_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

ADDRESS = "http://report.test/"
CLASSES = ["adenocarcinoma", "normal"]
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
SHOWN: Shown = {"path": "a/1.png", "said": "normal, answered a", "wrong": True, "plain": PIXEL, "covered": PIXEL}
GALLERY: Gallery = {"errors": [SHOWN], "examples": [SHOWN]}


def figure(value: float, n: int = 40) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": min(value + 0.1, 1.0), "n": n}


@pytest.fixture(scope="module")
def report() -> str:
    names = ("roc_auc", "accuracy", "sensitivity", "specificity", "threshold_sensitivity", "threshold_specificity")
    metrics = {name: figure(0.8) for name in names} | {"patients": "unknown"}
    predictions = pd.DataFrame(
        {
            "label": CLASSES * 20,
            "predicted": CLASSES * 20,
            "reason": None,
            "group": range(40),
            "probability_adenocarcinoma": [number / 40 for number in range(40)],
            "probability_normal": [1 - number / 40 for number in range(40)],
        }
    )
    plots = {
        "roc": plot_roc(predictions, CLASSES, "normal", metrics, 0.95),
        "confusion": plot_confusion(predictions, CLASSES),
        "reliability": plot_reliability(predictions, CLASSES, None, 0.95),
        "history": go.Figure(go.Scatter(x=[1, 2], y=[1, 2])),
    }
    found = {
        "limitations": [{"title": "Black lungs", "text": "Some are black."}],
        "most_black": 0.2,
        "classes": {name: figure(0.2) for name in CLASSES},
    }
    parts = [AuditedPart("black_lungs", "Black lungs: what a window cuts off", found, {})]
    refused = pd.DataFrame({"path": ["a.png"], "reason": ["not an image"]})
    return render_report(metrics, manifest_of(), refused, parts, plots, 0.95, "Promoted.", GALLERY)


def test_the_name_of_a_line_stands_above_the_rows_of_a_plot() -> None:
    line = go.Figure(go.Scatter(x=[0, 1], y=["first row", "second row"])).add_vline(x=0.5, annotation_text="limit")

    (name,) = styled(line, "Rows").layout.annotations

    assert (name.text, name.y, name.yref, name.yanchor) == ("limit", 1, "y domain", "bottom")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def wait_until(page: Page, condition: str) -> None:
    """Wait for it from outside: the policy lets nobody turn text into code inside of the page."""
    ends = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < ends, f"{condition} did not become true"
        page.wait_for_timeout(50)


@pytest.fixture
def open_page(browser: Browser, report: str) -> Iterator[Any]:
    contexts: list[Any] = []
    complaints: list[str] = []

    def opened(address: str = ADDRESS, policy: str = REPORT_POLICY) -> Page:
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        headers = {"Content-Security-Policy": policy, "Content-Type": "text/html"}
        page.route("**/*", lambda route: route.fulfill(body=report, headers=headers))
        page.goto(address)
        wait_until(page, "document.querySelectorAll('.js-plotly-plot .main-svg').length > 0")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def test_a_link_opens_its_section_and_a_button_all_of_them(open_page: Any) -> None:
    page = open_page()
    section = page.locator("#black_lungs")
    assert section.get_attribute("open") is None

    for _ in range(2):  # again, after it was closed
        page.get_by_role("link", name="Black lungs").click()
        wait_until(page, "document.querySelector('#black_lungs').open")
        section.locator("summary").click()
        wait_until(page, "!document.querySelector('#black_lungs').open")

    closed = "document.querySelectorAll('details:not([open])').length"
    page.get_by_role("button", name="Open all").click()
    assert page.evaluate(closed) == 0
    page.get_by_role("button", name="Close all").click()
    assert page.evaluate(closed) == page.evaluate("document.querySelectorAll('details').length")


def test_an_address_of_a_section_opens_it_and_its_plots_fill_the_page(open_page: Any) -> None:
    page = open_page(f"{ADDRESS}#data")

    wait_until(page, "document.querySelector('#data').open")
    wait_until(page, "document.querySelector('#data .main-svg').getBoundingClientRect().width > 900")


def test_paper_has_everything_open_and_nothing_wider_than_itself(open_page: Any) -> None:
    page = open_page()
    closed_now = "document.querySelectorAll('details:not([open])').length"
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.seen = {closed_now} }})")
    closed = page.locator("details:not([open])").count()

    page.pdf(format="A4")

    assert closed > 0
    assert page.evaluate("window.seen") == 0
    wait_until(page, f"{closed_now} === {closed}")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 less its margins
    page.emulate_media(media="print")
    widest = (
        "Math.max(...[...document.querySelectorAll('.main-svg')].map((each) => each.getBoundingClientRect().right))"
    )
    wait_until(page, f"{widest} <= 688")


def test_nothing_is_cut_off_on_narrow_and_wide_screens(open_page: Any) -> None:
    page = open_page()
    page.get_by_role("button", name="Open all").click()

    for width in (500, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        wait_until(page, "document.documentElement.scrollWidth <= innerWidth")


def test_the_report_is_accessible_in_light_and_dark(open_page: Any) -> None:
    # axe takes part of its page, which the sandbox of the app forbids.
    page = open_page(policy=REPORT_POLICY.replace("sandbox allow-scripts; ", ""))
    page.get_by_role("button", name="Open all").click()

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_accessible(page)
