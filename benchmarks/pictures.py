"""The pictures of the documentation, made anew: `python -m benchmarks.pictures`.

Shows what a run left in this project (`make run` first) and what is running beside it: of the app (`make serve`), what
it says of a sample, and the run that somebody started on it; of MLflow (`make mlflow`), the last run, and
the last two compared; of Kedro-Viz (`make viz`), the graph with the report open. 1280 pixels wide, light, in 256
colours. `docs/images/made.json` says of each when it was made, and when its model was.
"""

import argparse
import getpass
import io
import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from benchmarks.project import ROOT

IMAGES = ROOT / "docs" / "images"
_MADE = IMAGES / "made.json"
_SIZE = ViewportSize(width=1280, height=900)
_CHOICES = ["report", "result", "training", "run", "two-runs", "graph-preview"]
_ONE_SCREEN = {"report", "run", "two-runs", "graph-preview"}
# What a browser keeps after the first visit: the view for model training, no panel; no tour.
_MLFLOW_VISITED = """
localStorage.setItem('mlflow.workflowType_v1', '"machine_learning"');
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
"""
_VIZ_VISITED = """
const kept = JSON.parse(localStorage.getItem('KedroViz') || '{}');
localStorage.setItem('KedroViz', JSON.stringify({...kept, showFeatureHints: false, theme: 'light'}));
"""
# Whose machine it was, and where on it the project lay, is nobody's business.
_WITHOUT_MACHINE = """
([user, host, folder]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (text.data === user) text.data = 'you';
    text.data = text.data.replace(`${host}:/`, '').replace(`${folder}/`, '').replace(folder, 'chest-cancer');
  }
}
"""


def main() -> None:
    arguments = _arguments()
    wanted: dict[str, Callable[[Page], None]] = {
        "report": lambda page: _report(page, arguments.data),
        "result": lambda page: _result(page, arguments.app),
        "training": lambda page: _training(page, arguments.app, arguments.token),
        "run": lambda page: _run(page, arguments.mlflow),
        "two-runs": lambda page: _two_runs(page, arguments.mlflow),
        "graph-preview": lambda page: _graph(page, arguments.viz),
    }
    made = json.loads(_MADE.read_text()) if _MADE.exists() else {}
    run = json.loads((arguments.data / "06_models" / "candidate" / "manifest.json").read_text())["provenance"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        for name in arguments.pictures or wanted:
            page = browser.new_page(viewport=_SIZE, color_scheme="light", reduced_motion="reduce")
            wanted[name](page)
            folder = str(arguments.data.resolve().parent).lstrip("/")
            page.evaluate(_WITHOUT_MACHINE, [getpass.getuser(), socket.gethostname(), folder])
            _save(page.screenshot(full_page=name not in _ONE_SCREEN), IMAGES / f"{name}.png")
            made[f"{name}.png"] = {"made": time.strftime("%Y-%m-%d"), "model": run["created"]}
            page.close()
        browser.close()
    _MADE.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")


def _save(screen: bytes, path: Path) -> None:
    picture = Image.open(io.BytesIO(screen)).convert("RGB")
    palette = picture.quantize(256, kmeans=2)
    picture.quantize(palette=palette).save(path, optimize=True)  # with dithering, for what fades


def _report(page: Page, data: Path) -> None:
    page.goto((data / "08_reporting" / "report.html").resolve().as_uri())
    page.wait_for_function("document.querySelectorAll('#figures .main-svg').length > 0")


def _result(page: Page, app: str) -> None:
    page.goto(app)
    page.locator("button.sample").nth(1).click()
    page.locator("article.result").wait_for()


def _training(page: Page, app: str, token: str) -> None:
    """A run is shown that somebody started on the page."""
    page.goto(f"{app.rstrip('/')}/train?token={token}")
    page.wait_for_load_state("load")


def _run(page: Page, mlflow: str) -> None:
    """The last run, with all of its description."""
    page.add_init_script(_MLFLOW_VISITED)
    page.goto(f"{mlflow.rstrip('/')}/#/experiments/1/runs")
    page.locator("a[href*='/runs/']").first.click()
    page.get_by_text("Show more").click()
    page.get_by_text("Registered models").wait_for()
    page.wait_for_timeout(1000)  # its panels move to their places


def _two_runs(page: Page, mlflow: str) -> None:
    """The last two runs compared: their parameters and figures, below what is folded here."""
    page.add_init_script(_MLFLOW_VISITED)
    page.goto(f"{mlflow.rstrip('/')}/#/experiments/1/runs")
    page.locator("a[href*='/runs/']").first.wait_for()
    for row in range(2):
        page.get_by_label("toggle row selection").nth(row).check(force=True)
    page.get_by_role("button", name="Compare").click()
    for heading in ("Visualizations", "Run details"):
        page.get_by_text(heading, exact=True).click()
    page.get_by_text("Show diff only").first.click()
    page.wait_for_timeout(1000)  # they fold


def _graph(page: Page, viz: str) -> None:
    """The folded graph, with the report open."""
    page.add_init_script(_VIZ_VISITED)
    page.goto(viz)
    page.locator('.pipeline-node[data-node-fullname="report"]').wait_for()
    if (news := page.get_by_text("Dismiss")).count():
        news.click()
    page.get_by_label("Hide menu").click()
    page.get_by_label("Turn minimap off").click()
    page.locator('.pipeline-node[data-node-fullname="report"]').click()
    page.locator(".pipeline-metadata").get_by_text("The plots are in report.html.").wait_for()
    page.wait_for_timeout(2000)  # the graph moves to its place


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise SystemExit("No Chromium was found. Install it: apt-get install chromium")
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("pictures", nargs="*", choices=_CHOICES, help="by default all")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="the folder `data` of a finished run")
    parser.add_argument("--app", default="http://127.0.0.1:8080", help="where the app answers")
    parser.add_argument("--mlflow", default="http://127.0.0.1:5000", help="where `make mlflow` answers")
    parser.add_argument("--viz", default="http://127.0.0.1:4141", help="where `make viz` answers")
    parser.add_argument("--token", default="", help="what `make serve` prints, to see the page of training")
    return parser.parse_args()


if __name__ == "__main__":
    main()
