"""The pictures of the documentation, made anew: `python -m benchmarks.pictures`.

Shows what a run left in this project (`make run` first) and, of the page, an app that is running (`make serve`): what
it says of a sample, and the run that somebody started on it. 1280 pixels wide, light. `docs/images/made.json` says of
each when it was made, and when its model was.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from benchmarks.project import ROOT

IMAGES = ROOT / "docs" / "images"
_MADE = IMAGES / "made.json"
_SIZE = ViewportSize(width=1280, height=900)


def main() -> None:
    arguments = _arguments()
    wanted: dict[str, Callable[[Page], None]] = {
        "report": lambda page: _report(page, arguments.data),
        "result": lambda page: _result(page, arguments.app),
        "training": lambda page: _training(page, arguments.app, arguments.token),
    }
    made = json.loads(_MADE.read_text()) if _MADE.exists() else {}
    run = json.loads((arguments.data / "06_models" / "candidate" / "manifest.json").read_text())["provenance"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        for name in arguments.pictures or wanted:
            page = browser.new_page(viewport=_SIZE, color_scheme="light", reduced_motion="reduce")
            wanted[name](page)
            page.screenshot(path=IMAGES / f"{name}.png", full_page=name != "report")
            made[f"{name}.png"] = {"made": time.strftime("%Y-%m-%d"), "model": run["created"]}
            page.close()
        browser.close()
    _MADE.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")


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


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise SystemExit("No Chromium was found. Install it: apt-get install chromium")
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("pictures", nargs="*", choices=["report", "result", "training"], help="by default all three")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="the folder `data` of a finished run")
    parser.add_argument("--app", default="http://127.0.0.1:8080", help="where the app answers")
    parser.add_argument("--token", default="", help="what `make serve` prints, to see the page of training")
    return parser.parse_args()


if __name__ == "__main__":
    main()
