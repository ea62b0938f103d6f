"""The study page in Chromium: its rate beside that of single slices, frames while scrolling, memory, cancelling.

`.venv/bin/python -m benchmarks.study` needs a model (`kedro run`), Chromium and two free cores; a minute or two.
"""

import argparse
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from pydicom.dataset import Dataset

from benchmarks.serving import OURS, PROJECT, _server
from chest_cancer.imaging.phantoms.anatomy import draw_anatomy
from chest_cancer.imaging.phantoms.draws import Draws
from chest_cancer.imaging.phantoms.lesions import add_benign_findings
from chest_cancer.imaging.volumes.slices import write_slice

SIDE, ANATOMIES, SCROLL_SECONDS = 512, 8, 5

# One image a request, one after the other, as the page for slices sends them.
_SINGLE = """async () => {
    const { files } = document.querySelector("#single");
    const start = performance.now();
    for (const file of files) {
        const body = new FormData();
        body.append("image", file);
        await (await fetch("/predict", { method: "POST", body })).json();
    }
    return files.length / (performance.now() - start) * 1000;
}"""
_TIMES = """() => Object.fromEntries(["study-sent", "study-first-slice", "study-first-answer", "study-answered"]
    .map((name) => [name, performance.getEntriesByName(name).at(-1)?.startTime]))"""
# What the page's own scripts take of a frame.
_TIME_FRAMES = """
    const frame = requestAnimationFrame.bind(window);
    window.work = [];
    window.requestAnimationFrame = (callback) => frame((time) => {
        const start = performance.now();
        callback(time);
        window.work.push(performance.now() - start);
    });
"""
# A step of the wheel before each frame, as fast as frames come.
_SCROLL = """async ([seconds, step]) => {
    const canvas = document.querySelector("#slice");
    const frames = [];
    window.work.length = 0;
    let down = step;
    const start = performance.now();
    for (let now = start; now - start < seconds * 1000; ) {
        if (frames.length % 150 === 149) down = -down;
        if (down) canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: down, cancelable: true }));
        const next = await new Promise(requestAnimationFrame);
        frames.push(next - now);
        now = next;
    }
    return [frames.slice(1), window.work];
}"""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, _server(OURS, PROJECT, "/readyz") as (port, pid, _):
        files = _write_study(Path(folder), arguments.slices)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(base_url=f"http://127.0.0.1:{port}", viewport={"width": 1280, "height": 800})
            page.set_default_timeout(3_600_000)
            expect.set_options(timeout=3_600_000)
            page.add_init_script(_TIME_FRAMES)
            before = _memory(pid)
            _measure(page, files, arguments.single)
            after = _memory(pid)
            page.locator("#new-study").click()
            time.sleep(3)
            _cancel(page, files)
            time.sleep(3)
            print(
                f"| memory, resident: before, largest, after, after a cancelled study | {before['VmRSS']}, "
                f"{after['VmHWM']}, {after['VmRSS']}, {_memory(pid)['VmRSS']} MB | largest 600 MB |"
            )
            browser.close()


def _measure(page: Page, files: list[Path], count: int) -> None:
    page.goto("/study")
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'single'}))")
    page.evaluate("document.querySelector('#single').multiple = true")
    page.set_input_files("#single", files[:count])
    singles = [page.evaluate(_SINGLE)]
    page.set_input_files("#files", files)
    page.wait_for_selector("#study-answer")
    page.wait_for_selector("#study-progress", state="hidden")
    times = page.evaluate(_TIMES)
    still, _ = page.evaluate(_SCROLL, [SCROLL_SECONDS, 0])
    frames, work = page.evaluate(_SCROLL, [SCROLL_SECONDS, -120])
    singles.append(page.evaluate(_SINGLE))
    rate = len(files) / (times["study-answered"] - times["study-sent"]) * 1000
    single = sum(singles) / 2
    shown, answered = ((times[f"study-first-{what}"] - times["study-sent"]) / 1000 for what in ("slice", "answer"))
    print(f"| {len(files)} slices of {SIDE} x {SIDE}, {os.cpu_count()} cores | measured | limit |\n| --- | --- | --- |")
    print(f"| first slice after the upload: shown, answered | {shown:.1f} s, {answered:.1f} s | 2 s |")
    print(
        f"| slices/s of the study | {rate:.2f}; of single slices before and after it {singles[0]:.2f}, "
        f"{singles[1]:.2f}: {rate / single:.2f} | 0.85 of it |"
    )
    print(
        f"| frames/s while scrolling | {len(frames) / sum(frames) * 1000:.0f}, of a page that stands still "
        f"{len(still) / sum(still) * 1000:.0f}; scripts, median {median(work):.1f} ms a frame | 60 |"
    )


def _cancel(page: Page, files: list[Path]) -> None:
    page.set_input_files("#files", files)
    expect(page.locator("#study-status")).to_have_text(re.compile(r"answered: 1\d of"))
    page.locator("#study-cancel").click()


def _write_study(folder: Path, count: int) -> list[Path]:
    """Write the CT files of a study: a few anatomies by turns, each with noise of its own."""
    noise = np.random.default_rng(1)
    draws = [Draws(7, 0, number, 1.0) for number in range(ANATOMIES)]
    anatomies = [_square(add_benign_findings(draw_anatomy(one), one)) for one in draws]
    files = []
    for number in range(count):
        hounsfield = anatomies[number * ANATOMIES // count] + noise.integers(-15, 16, (SIDE, SIDE))
        said = Dataset()
        said.StudyInstanceUID, said.SeriesInstanceUID, said.PatientID = "1.2.3", "1.2.3.4", "phantom"
        said.ImagePositionPatient, said.ImageOrientationPatient = [-180, -180, 1.25 * number], [1, 0, 0, 0, 1, 0]
        said.PixelSpacing = [0.7, 0.7]
        files.append(folder / f"{number}.dcm")
        files[-1].write_bytes(write_slice(hounsfield.astype(np.int16), said))
    return files


def _square(hounsfield: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(hounsfield.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _memory(pid: int) -> dict[str, int]:
    """Resident memory of the worker now and at most, MB."""
    worker = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    status = Path(f"/proc/{worker}/status").read_text()
    return {name: int(size) // 1024 for name, size in re.findall(r"(VmRSS|VmHWM):\s+(\d+)", status)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--slices", type=int, default=200, help="of the study")
    parser.add_argument("--single", type=int, default=20, help="slices sent one by one, before and after")
    return parser.parse_args()


if __name__ == "__main__":
    main()
