"""kedro-viz in a real browser: every pipeline is there, and previews open."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as TooLate

from chest_cancer.parameters.blocks import ON_REQUEST
from chest_cancer.pipelines.feature_extraction import create_pipeline
from conftest import PROJECT
from record.servers import free_port, running

PIPELINES = {path.parent.name for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py")}
ORDER = ["data_ingestion", "feature_extraction", "model_training", "model_evaluation", "model_audit", "reporting"]
"""From top to bottom: what comes from what."""

MILLISECONDS = 60_000
"""That the browser waits for anything, on a machine with other work."""
CLICKS = 6
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def page(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The graph."""
    port = free_port()
    command = [sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--port", str(port)]
    address, log = f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("viz") / "log"
    with running(command, f"{address}/api/main", log, cwd=project), sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--no-first-run"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(MILLISECONDS)
        expect.set_options(timeout=MILLISECONDS)
        page.goto(address)
        page.locator(".pipeline-node").first.wait_for()
        yield page
        browser.close()


def box(page: Page, name: str) -> Locator:
    return page.locator(f'.pipeline-node--modularPipeline[data-node-fullname="{name}"]')


def open_selector(page: Page) -> Locator:
    """Open the list of pipelines."""
    selector = page.locator('[data-test="kedro-pipeline-selector"]')
    selector.get_by_role("button").click()
    return selector.get_by_role("option")


def select(page: Page, name: str) -> None:
    """Click on a node until the panel is about it: while kedro-viz lays out its list, a click can miss."""
    title = page.locator(".pipeline-metadata").get_by_role("heading", name=name, exact=True)
    for _ in range(CLICKS):
        page.locator(f'[data-test="node-list-tree-item--row--{name}"]').click()
        with suppress(TooLate):
            title.wait_for(timeout=MILLISECONDS / CLICKS)
            return
    expect(title).to_be_visible()


def test_the_graph_opens_as_boxes_in_the_order_of_the_data_each_of_which_unfolds_into_its_nodes(page: Page) -> None:
    default = {name for name in PIPELINES if name not in ON_REQUEST}

    boxes = page.locator(".pipeline-node--modularPipeline")
    expect(boxes).to_have_count(len(default))
    assert len(default) <= 10
    # The boxes move to their places; the order is waited for.
    height = "name => document.querySelector(`[data-node-fullname='${name}']`).getBoundingClientRect().y"
    page.wait_for_function(
        f"names => names.every((name, i) => !i || ({height})(names[i - 1]) < ({height})(name))", arg=ORDER
    )
    layers = ["raw", "intermediate", "feature", "model_input", "models", "model_output", "reporting"]
    expect(page.locator(".pipeline-layer-name")).to_have_text(layers)
    expect(page.locator(".pipeline-node--task")).to_have_count(0)

    box(page, "feature_extraction").click()

    nodes = page.locator(".pipeline-node--task")
    names = [node.name.partition(".")[2] for node in create_pipeline().nodes]
    expect(nodes).to_have_count(len(names))
    for name in names:
        expect(page.locator(f'.pipeline-node--task[data-node-fullname="{name}"]')).to_be_visible()


def test_every_pipeline_can_be_chosen(page: Page) -> None:
    options = open_selector(page)
    expect(options).to_have_count(len(PIPELINES) + 1)
    assert set(options.all_inner_texts()) == PIPELINES | {"__default__"}
    page.get_by_role("option", name="model_evaluation", exact=True).click()
    expect(page.locator(".pipeline-node--modularPipeline")).to_have_count(1)
    open_selector(page)
    page.get_by_role("option", name="__default__").click()
    expect(box(page, "data_ingestion")).to_have_count(1)


def test_a_plot_a_table_figures_and_a_picture_open_as_previews(page: Page) -> None:
    box(page, "reporting").click()
    select(page, "evaluation_plot_roc")
    expect(page.locator(".pipeline-metadata .js-plotly-plot")).to_be_visible()
    select(page, "test_predictions")
    expect(page.locator(".pipeline-metadata table")).to_contain_text("predicted")
    select(page, "metrics")
    expect(page.locator(".pipeline-metadata")).to_contain_text("accuracy")
    select(page, "evidence_examples")
    expect(page.locator(".pipeline-metadata img")).to_be_visible()


def test_reports_cards_and_the_model_open_as_previews(page: Page, project: Path) -> None:
    panel = page.locator(".pipeline-metadata")
    verdict = (project / "data/08_reporting/verdict.txt").read_text()
    for name, text in {
        "report": verdict,
        "verdict": verdict,
        "model_card": "# Model card",
        "candidate": "classes",
    }.items():
        select(page, name)
        expect(panel).to_contain_text(text)


def test_a_click_on_a_step_says_what_it_is_for(page: Page) -> None:
    select(page, "state_verdict_node")

    expect(page.locator(".pipeline-metadata")).to_contain_text("State in one sentence what may be believed")
