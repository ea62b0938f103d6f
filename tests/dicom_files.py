"""DICOM files that tests make, and those that pydicom ships."""

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filereader import dcmread
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


def recompressed(frame: bytes, syntax: UID, source: bytes, **elements: object) -> bytes:
    """A file with other pixels: one frame that was compressed by whoever."""
    dataset = dcmread(io.BytesIO(source))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def lossless_jpeg(values: NDArray[np.uint16], predictor: int = 1) -> bytes:
    """Code each difference to the left (above, in the first column) by a category of five bits and its bits."""
    rows, columns = values.shape
    counts = bytes(4) + b"\x11" + bytes(11)  # 17 codes of five bits.
    head = b"\xff\xd8" + b"\xff\xc4" + struct.pack(">HB", 2 + 1 + 16 + 17, 0) + counts + bytes(range(17))
    head += b"\xff\xc3" + struct.pack(">HBHHBBBB", 11, 16, rows, columns, 1, 1, 0x11, 0)
    head += b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, predictor, 0, 0)
    bits = ""
    for y in range(rows):
        for x in range(columns):
            before = 1 << 15 if x == y == 0 else values[y, x - 1] if x else values[y - 1, 0]
            difference = (int(values[y, x]) - int(before) + 32768) % 65536 - 32768
            category = abs(difference).bit_length()
            bits += f"{category:05b}"
            if 0 < category < 16:
                bits += f"{difference if difference > 0 else difference + (1 << category) - 1:0{category}b}"
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")
    return head + coded + b"\xff\xd9"
