"""DICOM files that tests make, and those that pydicom ships."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from chest_cancer.imaging.pixels import DecodedImage

STORED = np.arange(-1000, 600, dtype=np.int16).reshape(40, 40)


def shipped(name: str) -> bytes:
    """The bytes of a file that comes inside the pydicom package."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str), f"pydicom does not ship {name}"
    return Path(path).read_bytes()


def dicom(stored: NDArray[np.generic] = STORED, syntax: UID = ExplicitVRLittleEndian, **elements: object) -> bytes:
    """A CT slice of signed or unsigned stored values; keywords add or replace elements, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "CT"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def grey_at(decoded: DecodedImage, hounsfield: int, stored: NDArray[np.int16] = STORED) -> int:
    return int(decoded.pixels[stored == hounsfield][0, 0])
