"""Hounsfield units until a window is chosen: the same for training, batches and page, whatever a file says."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_windowing
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.phantoms.study import PhantomStudy
from chest_cancer.imaging.standardise import standardise
from chest_cancer.imaging.windows import WINDOWS, see, through
from chest_cancer.parameters.blocks import StandardisationParameters
from chest_cancer.parameters.values import Window
from chest_cancer.statistics.cross_validation import draw_folds, measure_scores, predict_out_of_fold
from chest_cancer.storage.figures import Figure
from dicom_files import STORED, dicom, shipped

OWN = {"WindowCenter": 40, "WindowWidth": 400}


def pydicoms(hounsfield: NDArray[np.int16], level: float, width: float) -> NDArray[np.float64]:
    """What pydicom makes of Hounsfield units in an exact linear window, as 0..255."""
    dataset = Dataset()
    dataset.PhotometricInterpretation, dataset.PixelRepresentation, dataset.BitsStored = "MONOCHROME2", 1, 16
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = level, width, "LINEAR_EXACT"
    seen = apply_windowing(hounsfield, dataset)
    return np.asarray((seen + 2.0**15) / (2.0**16 - 1) * 255)


@pytest.mark.parametrize("name", list(WINDOWS))
def test_a_window_is_that_of_pydicom(name: str) -> None:
    np.testing.assert_allclose(through(STORED, *WINDOWS[name]), pydicoms(STORED, *WINDOWS[name]), atol=0.51)


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (2, -10), (0.5, -3.25)])
def test_hounsfield_units_are_those_of_pydicom(slope: float, intercept: float) -> None:
    dataset = Dataset()
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    expected = apply_modality_lut(STORED + 1000, dataset)

    found = decode_image(dicom(STORED + 1000, RescaleSlope=slope, RescaleIntercept=intercept)).hounsfield

    assert found is not None
    assert found.dtype == (np.float32 if slope == 0.5 else np.int16)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("window", ["mediastinum", "bone", (-100.0, 900.0)])
def test_a_slice_is_seen_through_the_window_that_is_chosen(window: Window) -> None:
    image = decode_image(dicom(**OWN))
    level, width = WINDOWS[window] if isinstance(window, str) else window

    seen = see(image, window)

    assert seen.shape == (40, 40, 3)
    np.testing.assert_array_equal(seen[..., 0], through(STORED, level, width))
    np.testing.assert_array_equal(seen[..., 0], seen[..., 2])


def test_lungs_are_what_is_seen_unless_something_else_is_chosen() -> None:
    image = decode_image(dicom(**OWN))
    assert see(image, StandardisationParameters().window) is image.pixels
    np.testing.assert_array_equal(image.pixels[..., 1], through(STORED, -600, 1500))


def test_three_windows_are_three_channels() -> None:
    seen = see(decode_image(dicom()), "three")
    for channel, window in enumerate(WINDOWS.values()):
        np.testing.assert_array_equal(seen[..., channel], through(STORED, *window))


def test_the_window_of_the_file_is_used_where_it_is_asked_for() -> None:
    np.testing.assert_array_equal(see(decode_image(dicom(**OWN)), "file")[..., 0], through(STORED, 40, 400))
    without = decode_image(dicom())
    np.testing.assert_array_equal(see(without, "file"), without.pixels)


def test_a_picture_is_seen_as_it_is() -> None:
    radiograph = decode_image(shipped("examples_rgb_color.dcm"), any_modality=True)
    assert radiograph.hounsfield is None
    assert see(radiograph, "mediastinum") is radiograph.pixels


def test_a_slice_is_known_by_its_hounsfield_units() -> None:
    one = decode_image(dicom(**OWN))
    other_window = decode_image(dicom(WindowCenter=-600, WindowWidth=1500))
    brighter = STORED.copy()
    brighter[-1, -1] += 1  # white in the lung window before and after

    assert other_window.digest == one.digest
    np.testing.assert_array_equal(decode_image(dicom(brighter)).pixels, one.pixels)
    assert decode_image(dicom(brighter)).digest != one.digest


@pytest.mark.parametrize("window", ["soft", [40], [40, 0], [40, -1], ["40", 400], [True, "x"], 7, None])
def test_what_is_no_window_is_refused_with_what_is_one(window: object) -> None:
    with pytest.raises(
        ValidationError, match=r"expected lung, mediastinum, bone, three, file, or \[level, width\] with"
    ):
        StandardisationParameters(window=window)


def test_level_and_width_are_numbers() -> None:
    assert StandardisationParameters.model_validate({"window": [40, 400]}).window == (40.0, 400.0)
    assert StandardisationParameters.model_validate_json('{"window": [40, 400]}').window == (40.0, 400.0)


def test_classes_that_differ_in_the_window_of_their_files_alone_can_not_be_told_apart() -> None:
    """Patients of one process, as DICOM files; those of one class were stored with another window."""
    numbers = np.arange(32) % 2
    files = [
        dicom(
            PhantomStudy("normal", 11, patient, slices=20, side=64).slice(10)[0],
            WindowCenter=(-600, 40)[number],
            WindowWidth=(1500, 400)[number],
        )
        for patient, number in enumerate(numbers)
    ]
    images = [decode_image(data) for data in files]

    def accuracy(window: Window) -> Figure:
        standardised = [standardise(see(image, window), StandardisationParameters()).pixels for image in images]
        features = np.stack([pixels[::16, ::16, 0].ravel() for pixels in standardised]) / 255.0
        draws = draw_folds(numbers, np.arange(32), 0, 2)
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        return measure_scores(numbers, predict_out_of_fold(head, features, numbers, draws), np.arange(32), 0.95)[
            "accuracy"
        ]

    by_lung, by_file = accuracy("lung"), accuracy("file")

    assert by_lung["low"] <= 0.5 <= by_lung["high"]
    assert by_file["low"] > 0.8  # what a file's own window would have told
