"""DICOM files of ours: with the elements that are given and no others."""

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID

_PREAMBLE = bytes(128) + b"DICM"


def write_file(dataset: Dataset, syntax: UID, *, is_implicit: bool = False, is_little_endian: bool = True) -> bytes:
    """Write a DICOM file.

    Args:
        dataset: Its elements.
        syntax: The transfer syntax that it names.
        is_implicit: Whether elements are written without their type.
        is_little_endian: Whether the lower byte comes first.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    file = DicomBytesIO()
    file.write(_PREAMBLE)
    write_file_meta_info(file, meta, enforce_standard=False)
    file.is_implicit_VR, file.is_little_endian = is_implicit, is_little_endian
    write_dataset(file, dataset)
    return file.getvalue()
