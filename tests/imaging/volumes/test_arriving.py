"""Files that arrive one by one give the volumes that the same files give together."""

import numpy as np
import pytest

from chest_cancer.imaging.volumes.arriving import ArrivingStudy, StudyTooLargeError
from chest_cancer.imaging.volumes.volume import Limits
from volume_files import belly, ct_slice, enhanced, heights, nifti, opener, read_study, series, stack

LIMITS = Limits()


def arrived(files, limits=LIMITS, most_slices=100):
    study = ArrivingStudy(limits, most_slices)
    for data in files.values():
        study.add(data)
    return study, study.finish()


@pytest.mark.parametrize("kind", ["series", "turned", "enhanced", "nifti"])
def test_the_volumes_are_those_of_the_files_read_together(kind):
    hounsfield = stack(4)
    files = {
        "series": lambda: series(hounsfield),
        "turned": lambda: series(hounsfield, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]),
        "enhanced": lambda: {"one.dcm": enhanced(hounsfield, heights(4))},
        "nifti": lambda: {"one.nii": nifti(hounsfield)},
    }[kind]()

    study, volumes = arrived(files)
    together = read_study(files, opener(files))

    assert study.slices == 4
    assert not study.refused
    for one, other in zip(volumes, together.volumes, strict=True):
        np.testing.assert_array_equal(one.hounsfield, other.hounsfield)
        np.testing.assert_array_equal(one.positions, other.positions)
        assert (one.spacing, one.corner, one.notes) == (other.spacing, other.corner, other.notes)


def test_the_series_with_most_slices_comes_first_and_what_is_not_used_is_counted_by_its_reason():
    short, long = series(stack(4)[:2], SeriesInstanceUID="1.2.8"), series(stack(4))
    files = {f"a{name}": data for name, data in short.items()} | long | {"notes.txt": b"no image", "more.txt": b"no"}

    study, volumes = arrived(files)

    assert [len(volume) for volume in volumes] == [4, 2]
    assert sum(study.refused.values()) == 2
    assert all("not a supported image" in reason for reason in study.refused)


def test_a_coronal_slice_is_refused_with_the_cure():
    study, volumes = arrived(series(stack(1), ImageOrientationPatient=[1, 0, 0, 0, 0, -1]))

    assert volumes == ()
    assert sum(study.refused.values()) == 1
    assert "expected axial ones" in next(iter(study.refused))


@pytest.mark.parametrize(
    ("limits", "most"), [(LIMITS, 3), (Limits(voxels=3 * stack(4)[0].size), 100)], ids=["slices", "voxels"]
)
def test_more_than_may_be_kept_is_refused_as_soon_as_it_comes(limits, most):
    files = list(series(stack(4)).values())
    study = ArrivingStudy(limits, most)
    for data in files[:3]:
        study.add(data)

    with pytest.raises(StudyTooLargeError, match=r"4 slices of .* exceed the limit of .* pass one series at a time"):
        study.add(files[3])


def test_a_directory_is_left_out_without_a_word():
    empty = belly(stack(1)[0])
    directory = ct_slice(empty, 0.0, PixelData=None, DirectoryRecordSequence=[])

    study, volumes = arrived({"DICOMDIR": directory})

    assert (volumes, dict(study.refused)) == ((), {})
