"""A data set in folders train, valid and test with long class names, as the four-class chest CT set on Kaggle has them.

It goes through `kedro run` without a code change; slices planted on both sides of its split are found and counted.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image, ImageDraw

from chest_cancer.imaging.phantoms.generate import PHANTOM_CLASSES, generate_phantom
from conftest import copy_project
from kedro_process import Forks
from served_figures import check_that_what_is_measured_is_what_is_served
from serving import serve

FOLDERS = {
    "adenocarcinoma": "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib",
    "large_cell": "large.cell.carcinoma_left.hilum_T2_N2_M0_IIIa",
    "normal": "normal",
    "squamous_cell": "squamous.cell.carcinoma_left.hilum_T1_N2_M0_IIIa",
}
COUNTS = {"train": 4, "valid": 2, "test": 1}
TWINS = {"the same bytes": 4, "the same pixels": 1, "nearly the same picture": 3}


def write_source(root: Path) -> None:
    number = 0
    for split, count in COUNTS.items():
        for name in PHANTOM_CLASSES:
            folder = root / "Data" / split / FOLDERS[name]
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(generate_phantom(name, 3, number).image).save(folder / f"{number:06d} ({i}).png")
                number += 1
    for name in PHANTOM_CLASSES:
        first, second = sorted((root / "Data" / "train" / FOLDERS[name]).iterdir())[:2]
        test = root / "Data" / "test" / FOLDERS[name]
        (test / f"copy of {first.name}").write_bytes(first.read_bytes())
        image = Image.open(second)
        if name == "normal":
            image.save(test / "same pixels.png", compress_level=1)
        elif name == "adenocarcinoma":
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(test / "mirrored.png")
        elif name == "large_cell":
            image.resize((image.width // 2, image.height // 2)).save(test / "small.jpg", quality=60)
        else:
            drawn = image.convert("RGB")
            ImageDraw.Draw(drawn).line([(20, 20), (drawn.width // 2, 60)], fill="yellow", width=3)
            drawn.save(test / "annotated.png")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    source, project = tmp_path_factory.mktemp("source"), copy_project(tmp_path_factory.mktemp("project"))
    write_source(source)
    forks.succeed(project, "run", "--env", "test", "--params", f"data_ingestion.source={source}")
    return project / "data"


def test_the_report_says_how_many_test_images_have_a_twin_in_the_training_folder(results: Path) -> None:
    audit = json.loads((results / "08_reporting" / "data_audit" / "duplicates.json").read_text())
    page = (results / "08_reporting" / "report.html").read_text()

    sentence = "8 of the source's 12 test images have a twin in its training folder ("
    kinds = ", ".join(f"{count} {kind}" for kind, count in TWINS.items())
    assert audit["counts"]["source_test"]["with_twin"] == 8
    assert f"{sentence}{kinds}).".replace("'", "&#39;") in page
    for card in ("model_card.md", "data_card.md"):
        assert f"{sentence}{kinds})." in (results / "08_reporting" / card).read_text()


def test_each_planted_twin_is_named_with_what_differs(results: Path) -> None:
    twins = json.loads((results / "08_reporting" / "data_audit" / "duplicates.json").read_text())["twins"]

    differences = {Path(twin["path"]).name: twin["difference"] for twin in twins}
    assert sum(words == "none: the same bytes" for words in differences.values()) == 4
    assert differences["same pixels.png"] == "none: the same pixels"
    assert differences["mirrored.png"] == "mirrored"
    assert "JPEG for PNG" in differences["small.jpg"]
    assert "re-encoded or drawn upon" in differences["annotated.png"]
    assert all(twin["label"] == twin["twin_label"] for twin in twins)


def test_no_training_image_has_a_twin_among_the_test_images(results: Path) -> None:
    table = pd.read_parquet(results / "05_model_input" / "split_table.parquet").set_index("path")
    twins = json.loads((results / "08_reporting" / "data_audit" / "duplicates.json").read_text())["twins"]

    # The side that measures keeps its images; their twins leave the training folder.
    assert set(table.loc[[twin["twin"] for twin in twins], "split"]) == {"leak"}
    assert (table.loc[table["source_split"] == "test", "split"] == "test").all()
    tested = pd.read_parquet(results / "07_model_output" / "test_predictions.parquet")
    assert set(tested["label"]) == set(FOLDERS.values())


def test_figures_are_there_for_every_long_class_name(results: Path) -> None:
    metrics = json.loads((results / "08_reporting" / "metrics.json").read_text())

    assert {f"recall_{name}" for name in FOLDERS.values()} <= set(metrics)
    assert {"macro_recall", "sensitivity", "specificity"} <= set(metrics)


def test_what_is_measured_of_four_classes_is_what_is_served(results: Path, tmp_path: Path) -> None:
    with serve(results.parent, tmp_path / "log") as server:
        check_that_what_is_measured_is_what_is_served(results.parent, server)
