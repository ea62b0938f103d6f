"""The study viewer in a real browser, served by the real server. Without Chromium these tests are skipped."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from browsing import CHROMIUM, assert_accessible
from manifests import PATIENT_RULE
from serving import CLASSIFIER, FIGURES, Server, make_project, promote, serve, tiny_classifier, with_changes
from volume_files import belly, series, stack

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = make_project(tmp_path_factory.mktemp("studies") / "project")
    promote(project / CLASSIFIER, with_changes(tiny_classifier(), patient_rule=PATIENT_RULE), FIGURES)
    with serve(project, project.parent / "log") as running:
        yield running


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve slices, the lowest without lung."""
    folder = tmp_path_factory.mktemp("study") / "series"
    folder.mkdir()
    for name, data in series(STUDY).items():
        (folder / name).write_bytes(data)
    return folder


STUDY = np.concatenate([[belly(stack(12)[0])], stack(12)[1:]])


def test_a_study_is_looked_at_slice_by_slice_and_answered(page: Page, study: Path) -> None:
    page.goto("/")
    page.get_by_role("link", name="Look at all its slices").click()
    page.wait_for_load_state()  # nothing takes the files before the page's script is there
    page.set_input_files("#folder", study)
    expect(page.get_by_role("heading", name="Reads positive: Adenocarcinoma Cancer")).to_be_visible(timeout=60_000)
    expect(page.locator("#study-progress")).to_be_hidden()
    canvas, place = page.locator("#slice"), page.locator("#slice-place")
    expect(page.locator("#slice-said")).to_have_text("No lung in this slice")

    expect(place).to_have_text("Slice 1 of 12 · -300.0 mm")
    canvas.press("ArrowUp")
    expect(place).to_have_text("Slice 2 of 12 · -297.5 mm")
    canvas.hover()
    page.mouse.wheel(0, -120)
    expect(place).to_have_text("Slice 3 of 12 · -295.0 mm")
    page.get_by_role("slider", name="Slice, from the feet to the head").press("End")
    expect(place).to_have_text("Slice 12 of 12 · -272.5 mm")
    page.locator("#strip").click(position={"x": 2, "y": 10})
    expect(place).to_contain_text("Slice 1 of 12")
    page.get_by_role("link", name=re.compile(r"Slice \d+")).first.click()
    driving = int(re.search(r"\d+", place.inner_text())[0])  # type: ignore[index]  # `place` says a number
    expect(page.locator("#slice-said")).to_contain_text(re.compile("Adenocarcinoma Cancer, |Normal, "))

    # What is under the pointer is the file's own value, and what is drawn is that value through the window.
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2 + 3)
    value, column, row = map(int, re.findall(r"-?\d+", page.locator("#slice-value").inner_text()))
    assert value == STUDY[driving - 1, row, column]
    canvas.press("2")
    expect(page.locator("#slice-window")).to_have_text("L 40 W 400 HU")
    expect(page.get_by_role("radio", name="Mediastinum")).to_be_checked()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 23, box["y"] + box["height"] / 2 + 13)
    page.mouse.up()
    expect(page.locator("#slice-window")).to_have_text("L 20 W 480 HU")

    legend = page.get_by_text("It is not the outline of a tumour")
    expect(legend).to_be_hidden()
    page.get_by_role("checkbox", name="Evidence map").check()
    expect(legend).to_be_visible()
    assert_accessible(page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert_accessible(page)


def test_a_study_is_cancelled_and_gives_its_place_back(page: Page, study: Path) -> None:
    page.goto("/study")
    page.route("**/answers*", lambda route: None)  # they never come
    page.set_input_files("#files", list(study.iterdir()))
    expect(page.get_by_text("Reading …")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Answer the study")).to_be_visible()
    page.unroute("**/answers*")
    page.get_by_role("button", name="Answer the study").click()
    expect(page.get_by_role("heading", name="The study's answer 12 slices")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Another study").click()
    page.set_input_files("#files", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no image"})
    expect(page.get_by_role("alert")).to_contain_text("No file holds axial slices of a chest CT.")
    assert_accessible(page)


def test_a_zip_of_a_study_gives_the_table_without_javascript(
    browser: Browser, server: Server, study: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for file in study.iterdir():
            archive.write(file, file.name)
    with browser.new_context(
        base_url=server.address, java_script_enabled=False, viewport={"width": 360, "height": 740}
    ) as context:
        page = context.new_page()
        page.goto("/study")
        page.set_input_files("#files", tmp_path / "study.zip")
        page.get_by_role("button", name="Answer the study").click()
        expect(page.get_by_role("heading", name="Reads positive: Adenocarcinoma Cancer")).to_be_visible()
        expect(page.get_by_role("table", name="From the feet to the head").get_by_role("row")).to_have_count(13)
        expect(page.get_by_text("For research only: not a medical device.")).to_be_visible()
