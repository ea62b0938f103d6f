"""What a DICOM file says of patient, scanner and site that may tell groups of patients apart."""

from pydicom.dataset import Dataset

from chest_cancer.imaging.dicom.elements import readable_text_of

ATTRIBUTES = {
    "sex": ("PatientSex",),
    "age": ("PatientAge",),
    "scanner": ("Manufacturer", "ManufacturerModelName"),
    "kernel": ("ConvolutionKernel",),
    "slice thickness (mm)": ("SliceThickness",),
    "site": ("InstitutionName",),
}
"""Name of each attribute, and the elements that say it."""


def read_attributes(dataset: Dataset) -> dict[str, str]:
    """Read the attributes that a file has.

    Args:
        dataset: Its elements.

    Returns:
        Text by name of the attribute; what is missing, empty or malformed is left out: no picture is refused for it.
    """
    found = {}
    for name, keywords in ATTRIBUTES.items():
        if text := " ".join(filter(None, (readable_text_of(dataset, keyword) for keyword in keywords))):
            found[name] = text
    return found
