"""The pages in a real browser, served by the real server. Debian's Chromium; without one these tests are skipped."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from browsing import CHROMIUM, assert_accessible
from manifests import PATIENT_RULE
from serving import (
    CLASSIFIER,
    FIGURES,
    RUN_ID,
    TOKEN,
    Server,
    make_project,
    prepare_training,
    promote,
    serve,
    tiny_classifier,
    with_changes,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = make_project(tmp_path_factory.mktemp("browser") / "project")
    promote(project / CLASSIFIER, with_changes(tiny_classifier(), patient_rule=PATIENT_RULE), FIGURES)
    settings = {"CHEST_CANCER_TRAIN_TOKEN": TOKEN, "CHEST_CANCER_TRAIN_COMMAND": json.dumps(prepare_training(project))}
    with serve(project, project.parent / "log", **settings) as running:
        yield running


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright, a dark and no image; the model calls what is bright adenocarcinoma."""
    folder = tmp_path_factory.mktemp("images")
    for name, level in (("bright", 255), ("dark", 0)):
        Image.fromarray(np.full((64, 64, 3), level, np.uint8)).save(folder / f"{name}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def headings(page: Page) -> list[str]:
    return page.locator("article.result h3").all_inner_texts()


def log_in(page: Page) -> None:
    page.goto("/train")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Train a model")).to_be_visible()


def test_a_file_from_the_picker_is_shown_and_classified(page: Page, images: Path) -> None:
    page.goto("/")
    page.set_input_files("#image", images / "bright.png")
    expect(page.get_by_role("list", name="Chosen images").get_by_role("listitem")).to_have_text(
        re.compile("bright.png")
    )
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.locator("article.result h3")).to_have_text("Adenocarcinoma Cancer")
    expect(page.locator(".lead")).to_have_text("88.1 % calibrated probability")
    expect(page.locator(".tag")).to_have_text("From a model trained on synthetic phantoms")
    assert_accessible(page)


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_files_that_are_dropped_or_pasted_are_classified(page: Page, images: Path, event: str) -> None:
    page.goto("/")
    page.evaluate(
        """async ([event, url]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([await (await fetch(url)).blob()], "sample.png", {type: "image/png"}));
            document.querySelector("main").dispatchEvent(event === "drop"
                ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
                : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
        }""",
        [event, "/static/samples/normal_1.png"],
    )
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.locator("article.result .filename")).to_have_text("sample.png")


def test_several_files_each_get_an_answer_and_one_can_be_taken_out(page: Page, images: Path) -> None:
    page.goto("/")
    page.set_input_files("#image", [images / "bright.png", images / "dark.png", images / "notes.txt"])
    page.get_by_role("button", name="Remove notes.txt").click()
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.get_by_role("heading", name="Results 2 images")).to_be_visible()
    assert headings(page) == ["Adenocarcinoma Cancer", "Normal"]
    expect(page.locator("#status")).to_have_text("Done: 2 images classified.")


def test_files_beyond_the_limit_are_left_out_before_the_eyes_of_the_user(page: Page, images: Path) -> None:
    page.goto("/")
    page.set_input_files("#image", [images / "dark.png"] * 17)
    expect(page.locator("#queue li")).to_have_count(16)
    expect(page.locator("#status")).to_have_text("Only the first 16 files are kept.")
    expect(page.locator("#status")).to_be_in_viewport()


def test_many_images_are_in_a_table_that_sorts_leads_to_details_and_can_be_taken_along(
    page: Page, images: Path
) -> None:
    page.goto("/")
    page.set_input_files("#image", [images / "notes.txt", images / "dark.png", images / "bright.png"])
    page.get_by_role("button", name="Classify", exact=True).click()
    table = page.get_by_role("table", name="All images")
    names = table.locator("tbody th")
    expect(names).to_have_text(["notes.txt", "dark.png", "bright.png"])
    expect(table.get_by_role("row", name="notes.txt")).to_contain_text("Can't be read Not a supported image")
    expect(page.get_by_role("heading", name="Results 3 images, 1 of them can't be read")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Done: 3 images, 1 of them can't be read.")
    expect(page.get_by_label("Choose axial chest CT slices")).to_be_hidden()
    assert_accessible(page)

    table.get_by_role("button", name="Answer").click()
    expect(names).to_have_text(["bright.png", "notes.txt", "dark.png"])
    table.get_by_role("button", name="Answer").click()
    expect(names).to_have_text(["dark.png", "notes.txt", "bright.png"])
    expect(table.get_by_role("columnheader", name="Answer")).to_have_attribute("aria-sort", "descending")

    picture = page.get_by_role("img", name="The uploaded slice, bright.png")
    expect(picture).to_be_hidden()
    table.get_by_role("link", name="bright.png").click()
    expect(picture).to_be_visible()
    assert_accessible(page)

    for name in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name, exact=True).click()
        assert download.value.suggested_filename == f"answers.{name.lower()}"
        assert "notes.txt" in download.value.path().read_text()

    page.emulate_media(media="print")
    expect(page.get_by_role("img", name="The uploaded slice, dark.png")).to_be_visible()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()


def test_the_words_of_a_result_outlive_a_reload_and_its_pictures_are_not_stored(page: Page, images: Path) -> None:
    page.goto("/")
    page.set_input_files("#image", [images / "bright.png", images / "dark.png"])
    page.get_by_role("button", name="Classify", exact=True).click()
    page.get_by_role("link", name="dark.png").click()
    page.reload()
    expect(page.get_by_role("heading", name="Results 2 images")).to_be_visible()
    expect(page.get_by_text("Pictures are not stored: choose the images again to see them.")).to_be_visible()
    expect(page.get_by_role("table", name="All images").get_by_role("button", name="Answer")).to_have_count(1)
    assert "data:image" not in page.evaluate("JSON.stringify([sessionStorage, localStorage, history.state])")
    assert_accessible(page)

    page.goto("/reference")
    page.goto("/")
    expect(page.get_by_text("The predicted class")).to_be_visible()


def test_a_dropped_folder_gives_its_files_also_those_without_extension(
    page: Page, images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    (folder / "inner").mkdir(parents=True)
    shutil.copy(images / "bright.png", folder / "IM2")
    shutil.copy(images / "dark.png", folder / "inner" / "IM10")
    (folder / ".hidden").write_text("no image")
    page.goto("/")
    box = page.locator(".drop").bounding_box()
    assert box
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data})
    expect(page.locator("#queue li .name")).to_have_text([re.compile("^IM2"), re.compile("^IM10")])
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.get_by_role("heading", name="Results 2 images")).to_be_visible()


def test_the_picture_grows_with_the_screen(page: Page) -> None:
    page.set_viewport_size({"width": 2560, "height": 1440})
    page.goto("/")
    page.locator("button.sample").first.click()
    picture = page.locator(".picture").first
    expect(picture).to_be_visible()
    box = picture.bounding_box()
    assert box
    assert box["width"] > 1000
    assert box["height"] < 1440


@pytest.mark.parametrize("scripted", [True, False])
def test_slices_of_one_patient_get_an_answer_above_their_own(
    browser: Browser, server: Server, images: Path, scripted: bool
) -> None:
    with browser.new_context(
        base_url=server.address, java_script_enabled=scripted, viewport={"width": 360, "height": 800}
    ) as context:
        page = context.new_page()
        page.goto("/")
        page.set_input_files("#image", [images / "bright.png", images / "dark.png"])
        choice = page.get_by_role("checkbox", name="These images are slices of one patient")
        expect(choice).not_to_be_checked()
        choice.press("Space")
        page.get_by_role("button", name="Classify", exact=True).click()
        said = page.get_by_role("article", name="Reads positive: Adenocarcinoma Cancer")
        expect(said).to_contain_text("Slices that count2")
        assert headings(page) == ["Adenocarcinoma Cancer", "Normal"]
        if scripted:  # axe is a script, too
            assert_accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_is_no_image_is_named_and_the_page_stays_usable(page: Page, images: Path) -> None:
    page.goto("/")
    page.set_input_files("#image", images / "notes.txt")
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("notes.txt: not a supported image")
    assert_accessible(page)
    page.get_by_role("button", name="Remove all").click()
    page.locator("button.sample").first.click()
    expect(page.locator("article.result")).to_be_visible()


def test_the_evidence_can_be_faded_and_hidden_by_keyboard(page: Page) -> None:
    page.goto("/")
    page.locator("button.sample").first.click()
    evidence = page.get_by_role("img", name=re.compile("Evidence map"))
    slider = page.get_by_role("slider", name="Opacity")
    expect(evidence).to_have_css("opacity", "0.6")
    slider.press("ArrowRight")
    expect(evidence).to_have_css("opacity", "0.65")
    expect(page.locator(".opacity output")).to_have_text("65 %")
    page.get_by_role("checkbox", name="Evidence map").press("Space")
    expect(evidence).to_be_hidden()
    expect(page.get_by_text("It is not the outline of a tumour")).to_be_visible()


def test_everything_works_without_javascript(browser: Browser, server: Server, images: Path) -> None:
    with browser.new_context(base_url=server.address, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/")
        page.set_input_files("#image", [images / "bright.png", images / "dark.png"])
        page.get_by_role("button", name="Classify", exact=True).click()
        assert headings(page) == ["Adenocarcinoma Cancer", "Normal"]
        expect(page.get_by_role("slider")).to_have_count(0)
        page.get_by_text("Choose others").click()
        page.locator("button.sample").nth(1).click()
        expect(page.locator("article.result .filename")).to_have_text("adenocarcinoma_2.png")
        log_in(page)
        page.get_by_label("Settings and images").select_option("quick")
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_role("heading", name=re.compile("Run in progress|Last run"))).to_be_visible()
        # The page loads itself again by its own header while the run goes on.
        expect(page.locator("#job .state")).to_have_text("Succeeded", timeout=30_000)


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (500, "light"), (1280, "light")])
def test_pages_are_accessible_and_fit_in_both_schemes(
    browser: Browser, server: Server, width: int, scheme: str
) -> None:
    with browser.new_context(
        base_url=server.address, color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.goto("/")
        page.locator("button.sample").first.click()
        expect(page.locator("article.result")).to_be_visible()
        dark = "rgb(14, 20, 25)"
        for path in ("", "/reference", "/train", f"/train?token={TOKEN}"):
            if path:
                page.goto(path)
            assert_accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (colour == dark) == (scheme == "dark")


def test_training_is_followed_live_and_its_model_is_served_when_it_ends(page: Page, server: Server) -> None:
    project = Path(server.log).with_name("project")
    page.goto("/train")
    page.get_by_label("Token").fill("a guess")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("That is not the token.")
    expect(page.get_by_label("Token")).to_be_focused()
    log_in(page)
    page.get_by_label("Settings and images").select_option("patient")
    page.get_by_role("button", name="Start training").click()

    expect(page.locator("#job [role=status]")).to_have_text("Train head, step 1 of 2")
    expect(page.get_by_role("heading", name="Epoch 2 of at most 9")).to_be_visible()
    expect(page.locator(".keys .best")).to_have_text("best: epoch 2, 1.000")
    expect(page.get_by_role("list", name="Stages of the run").locator("[aria-current]")).to_have_text(
        re.compile("Training.*running, 0 of 1", re.DOTALL)
    )
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    assert_accessible(page)
    (project / "go").touch()
    expect(page.locator("#job .state")).to_have_text("Succeeded")
    expect(page.locator("#served code")).to_have_text("a-new-run")
    expect(page.locator("#history tbody tr").first).to_contain_text("served")
    expect(page.locator("#history tbody tr").first).to_contain_text("0.90 (0.80 to 0.95)")
    assert_accessible(page)
    assert RUN_ID not in page.content()
    page.get_by_role("link", name="Classify").click()
    expect(page.get_by_text("a-new-run")).to_be_visible()


def test_what_is_served_is_shown_without_loading_the_page_again_whoever_changed_it(page: Page, server: Server) -> None:
    other = page.context.new_page()
    other.goto("/")
    log_in(page)
    page.get_by_label("Archive of images").set_input_files({"name": "a.zip", "mimeType": "a/b", "buffer": b"PK"})
    project = Path(server.log).with_name("project")
    promote(project / CLASSIFIER, tiny_classifier("by-hand"), FIGURES, "7", former="6")
    expect(page.locator("#served code")).to_have_text("by-hand", timeout=20_000)
    expect(page.get_by_role("checkbox", name="May replace version 7 without a comparison")).not_to_be_checked()
    expect(page.get_by_role("button", name="Roll back to version 6")).to_be_enabled()
    assert page.get_by_label("Archive of images").evaluate("input => input.files.length") == 1
    other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(other.get_by_text("by-hand")).to_be_visible(timeout=20_000)


def test_a_refused_run_is_explained_at_its_field_and_runs_are_compared(page: Page) -> None:
    log_in(page)
    page.get_by_text("Table, epochs, head").click()
    page.get_by_label("Table", exact=True).fill("../labels.csv")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_label("Table", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#table-error")).to_contain_text("expected a path inside of the archive or folder")
    assert_accessible(page)
    for epochs in ("5", "6"):
        page.goto("/train")
        page.get_by_label("Settings and images").select_option("quick")
        page.get_by_text("Table, epochs, head").click()
        page.get_by_label("Epochs", exact=True).fill(epochs)
        page.get_by_role("button", name="Start training").click()
        expect(page.locator("#job .asked")).to_have_text(f"model_training.epochs={epochs}")
        expect(page.locator("#job .state")).to_have_text("Succeeded")
    for box in page.get_by_role("checkbox", name=re.compile("Compare the run")).all()[:2]:
        box.check()
    page.get_by_role("button", name="Compare two runs").click()
    expect(page.get_by_role("row", name="model_training.epochs 5 6")).to_be_visible()
    expect(page.get_by_text("Both were tested on the same images")).to_be_visible()
    assert_accessible(page)


def test_a_run_is_cancelled_and_a_failed_one_says_why(page: Page) -> None:
    log_in(page)
    page.get_by_label("Settings and images").select_option("endless")
    page.get_by_role("button", name="Start training").click()
    expect(page.locator("#job .state")).to_have_text("Running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#job .state")).to_have_text("Cancelled")
    page.get_by_label("Settings and images").select_option("failing")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("alert", name="The run failed")).to_contain_text(
        "model_evaluation.measure_performance_node: ValueError: no test images"
    )
    assert_accessible(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()


def test_the_reference_page_can_be_tried_and_its_example_for_javascript_works(page: Page, images: Path) -> None:
    page.goto("/reference")
    page.get_by_label("Slices", exact=True).set_input_files(images / "bright.png")
    page.get_by_role("button", name="POST /predict").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text('"request_id"')
    example = page.get_by_role("region", name="Example for JavaScript").inner_text()
    with page.expect_console_message() as message:
        page.evaluate(f"(async () => {{ {example} }})()")
    assert re.match(r"(Normal|Adenocarcinoma Cancer) 0\.\d+ null", message.value.text)
