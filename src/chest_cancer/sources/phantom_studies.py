"""Phantom studies as files: a DICOM series for each patient, tables that label slices and studies, and masks."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.phantoms.study import PhantomStudy

STUDIES, MASKS = "studies", "lesion_masks"
_LUNG_WINDOW = (-600, 1500)


def write_studies(studies: Iterable[PhantomStudy], folder: Path) -> Iterator[PhantomStudy]:
    """Write studies into a folder, and yield each when it is there.

    `studies/patient_0000/slice_001.dcm` and so on are CT slices from the feet to the head, as a scanner writes them;
    `lesion_masks/patient_0000/slice_012.png` are the masks of slices that show a lesion. `studies.csv` labels the
    folder of each study, `slices.csv` each slice: in a study of class `cancer` those without a lesion are `normal`.

    Args:
        studies: Each with a number of its own.
        folder: Made where it isn't there.
    """
    rows = []
    for study in studies:
        name = f"patient_{study.patient:04d}"
        for number in range(len(study)):
            hounsfield, mask = study.slice(number)
            file = f"{name}/slice_{number + 1:03d}"
            _write(folder / STUDIES / f"{file}.dcm", slice_as_dicom(study, number, hounsfield))
            if mask.any():
                _write(folder / MASKS / f"{file}.png", _png(mask))
            rows.append((f"{file}.dcm", study.label if mask.any() else "normal", name, study.label))
        yield study
    slices = pd.DataFrame(rows, columns=["path", "label", "patient", "study_label"])
    slices.drop(columns="study_label").to_csv(folder / "slices.csv", index=False)
    by_study = slices.groupby("patient", as_index=False).first()
    by_study.assign(path=by_study["patient"], label=by_study["study_label"])[["path", "label", "patient"]].to_csv(
        folder / "studies.csv", index=False
    )


def slice_as_dicom(study: PhantomStudy, number: int, hounsfield: NDArray[np.int16]) -> bytes:
    """Write a slice of a phantom study as a DICOM file.

    Args:
        study: Which it is of.
        number: From the feet, from 0.
        hounsfield: What `study.slice` gave.
    """
    # On use: pydicom is an extra.
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    from chest_cancer.imaging.volumes.slices import write_slice

    of_study = [str(part) for part in ("phantom study", study.seed, study.patient, len(study), study.side)]
    left = -study.pixel_mm * study.side / 2
    said = Dataset()
    said.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    said.SOPInstanceUID = generate_uid(entropy_srcs=[*of_study, "slice", str(number)])
    said.StudyInstanceUID = generate_uid(entropy_srcs=[*of_study, "study"])
    said.SeriesInstanceUID = generate_uid(entropy_srcs=[*of_study, "series"])
    said.FrameOfReferenceUID = generate_uid(entropy_srcs=[*of_study, "frame of reference"])
    said.PatientID = f"PHANTOM-{study.seed}-{study.patient}"
    said.PatientName = f"Phantom^{study.patient}"
    said.StudyDescription = "Synthetic: drawn by chest_cancer"
    said.BodyPartExamined = "CHEST"
    said.StudyID, said.SeriesNumber, said.InstanceNumber = "1", 1, number + 1
    said.SliceThickness = f"{study.spacing_mm:.6g}"
    said.PixelSpacing = [f"{study.pixel_mm:.6g}"] * 2
    said.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    said.ImagePositionPatient = [f"{left:.9g}", f"{left:.9g}", f"{number * study.spacing_mm:.9g}"]
    said.WindowCenter, said.WindowWidth = _LUNG_WINDOW
    return write_slice(hounsfield, said)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _png(mask: NDArray[np.bool_]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()
