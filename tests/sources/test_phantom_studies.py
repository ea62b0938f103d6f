"""Phantom studies as files: what a scanner would write, read back as any study, with labels by slice and by study."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from chest_cancer.cli import cli
from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.imaging.phantoms.study import PhantomStudy
from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.pipelines.data_ingestion.nodes import index_images
from chest_cancer.sources.image_source import ImageSource
from volume_files import read_study

SIDE, SLICES = 96, 14
ARGUMENTS = ["phantoms", "--studies", "2", "--slices", str(SLICES), "--side", str(SIDE), "--seed", "5"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "out"
    result = CliRunner().invoke(cli, [*ARGUMENTS, "--out", str(folder)])
    assert result.exit_code == 0, result.output
    assert "patient_0001: cancer, 14 slices" in result.output
    return folder


def test_a_series_is_read_back_as_it_was_drawn(written):
    files = {path.name: path.read_bytes() for path in (written / "studies/patient_0001").iterdir()}
    study = PhantomStudy("cancer", 5, 1, slices=SLICES, side=SIDE)

    found = read_study(files, files.__getitem__)
    (volume,) = found.volumes

    assert (found.notes, found.refused, volume.notes) == ((), (), ())
    drawn = np.stack([study.slice(number)[0] for number in range(SLICES)])
    np.testing.assert_array_equal(volume.hounsfield, np.where(drawn < -1024, -1000, drawn))
    assert np.diff(volume.positions) == pytest.approx(study.spacing_mm, rel=1e-4)
    assert volume.spacing[0] == pytest.approx(study.pixel_mm, rel=1e-4)


def test_tables_label_slices_and_studies_and_masks_lie_beside(written):
    slices, studies = (pd.read_csv(written / name) for name in ("slices.csv", "studies.csv"))
    masks = sorted(path.relative_to(written / "lesion_masks") for path in (written / "lesion_masks").rglob("*.png"))

    assert len(slices) == 2 * SLICES
    assert studies.to_dict("records") == [
        {"path": "patient_0000", "label": "normal", "patient": "patient_0000"},
        {"path": "patient_0001", "label": "cancer", "patient": "patient_0001"},
    ]
    with_lesion = slices[slices["label"] == "cancer"]
    assert [str(mask.with_suffix(".dcm")) for mask in masks] == with_lesion["path"].tolist()
    assert set(with_lesion["patient"]) == {"patient_0001"}
    assert np.asarray(Image.open(written / "lesion_masks" / masks[0])).any()


@pytest.mark.parametrize("table", ["slices.csv", "studies.csv"])
def test_either_table_labels_a_run(written, tmp_path, table):
    parameters = DataIngestionParameters(
        source=str(written / "studies"), table={"path": str(written / table)}, volumes={"every_mm": 0.0}
    )
    dataset = ImageFolderDataset(filepath=str(tmp_path / "images"))
    dataset.save(ImageSource(location=parameters.source, key=bytes(32)))

    index = index_images(dataset.load(), parameters, None, bytes(32))[0]

    assert index["patient"].nunique() == 2
    rows = pd.read_csv(written / "slices.csv").set_index("path")
    assert set(index.loc[rows.loc[index["path"], "label"].to_numpy() == "cancer", "label"]) == {"cancer"}
    of_the_ill = index[index["path"].str.startswith("patient_0001")]
    assert set(of_the_ill["label"]) == ({"normal", "cancer"} if table == "slices.csv" else {"cancer"})


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "file").touch()

    result = CliRunner().invoke(cli, [*ARGUMENTS, "--out", str(tmp_path)])

    assert result.exit_code == 1
    assert "`--out`. Expected a folder that is empty or not there. Received:" in result.output
