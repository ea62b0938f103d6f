"""The slices that drive a study's reading as Secondary Capture images, under their evidence maps."""

from collections.abc import Sequence

import numpy as np
from highdicom import UID
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from chest_cancer.imaging.evidence import cover, draw_evidence
from chest_cancer.imaging.standardise import standardise
from chest_cancer.imaging.volumes.volume import Volume
from chest_cancer.network.classifier import Classifier, Prediction
from chest_cancer.network.explanation import explain
from chest_cancer.network.patients import PatientRule
from chest_cancer.network.studies import DrivingSlice, StudyAnswer
from chest_cancer.reporting.dicom.headers import EQUIPMENT, RESEARCH, UTF_8, frame_numbers

_SERIES_NUMBER = 9002
_SIDE = 512
_CAPTION = 44
_KEPT = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def make_pictures(
    answer: StudyAnswer, volume: Volume, headers: Sequence[Dataset], classifier: Classifier
) -> list[Dataset]:
    """Draw the slices that drive a reading, each alone and beside it under its evidence map.

    Args:
        answer: Of the volume.
        volume: What was answered.
        headers: Of the volume's slices, by `read_headers`.
        classifier: Which gave the answer.

    Returns:
        Secondary Capture images of one series, the slice that speaks most for a positive reading first; each refers to
        the image that it was drawn from. None where there is no reading.

    Raises:
        Exception: Of highdicom, on elements that break the standard.
    """
    rule = PatientRule.of(classifier.manifest)
    if rule is None:
        return []
    series = UID()
    pictures: list[Dataset] = []
    for instance, one in enumerate(answer.driving, start=1):
        header = headers[one.number]
        picture = SCImage.from_ref_dataset(
            header,
            pixel_array=_draw(one, volume, classifier, rule),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "P"),
            series_instance_uid=series,
            series_number=_SERIES_NUMBER,
            sop_instance_uid=UID(),
            instance_number=instance,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            series_description=f"Evidence of the classifier: {RESEARCH}",
            specific_character_set=UTF_8,
            **EQUIPMENT,
        )
        picture.copy_patient_and_study_information(header)  # highdicom itself takes the most needed only
        _refer(picture, header, volume.origins[one.number].frame)
        picture.DerivationDescription = (
            f"The slice, and the slice under the classifier's evidence map. {_use(classifier)}."
        )
        pictures.append(picture)
    return pictures


def _use(classifier: Classifier) -> str:
    """What the answers are for, in capitals as people look for it on pictures."""
    return f"{RESEARCH}; MODEL OF SYNTHETIC PHANTOMS" if classifier.manifest.data.synthetic else RESEARCH


def _strongest(prediction: Prediction, rule: PatientRule) -> str:
    """The most probable of the positive classes."""
    classes = list(prediction.probabilities)
    return max((classes[number] for number in rule.positive), key=prediction.probabilities.__getitem__)


def _draw(one: DrivingSlice, volume: Volume, classifier: Classifier, rule: PatientRule) -> NDArray[np.uint8]:
    """Draw a slice, and beside it the same under the evidence for the most probable of the positive classes."""
    name = _strongest(one.prediction, rule)
    position, probability = volume.positions[one.number], one.prediction.probabilities[name]
    pixels = classifier.pixels_of(volume.image(one.number))
    cells = explain(classifier.manifest, one.prediction.evidence, name).cells
    evidence = draw_evidence(cells, standardise(pixels, classifier.standardisation).frame)
    # Small slices are enlarged, so that the words can be read.
    times = max(-(-_SIDE // pixels.shape[1]), 1)
    size = pixels.shape[1] * times, pixels.shape[0] * times
    plain = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    sheet = Image.new("RGB", (2 * size[0], size[1] + _CAPTION))
    sheet.paste(plain, (0, 0))
    sheet.paste(cover(plain, evidence), (size[0], 0))
    said = f"Slice at {position:.1f} mm: {name} {probability:.2f}. Right: orange speaks for it, blue against."
    words = f"{_use(classifier)}\n{said}"
    ImageDraw.Draw(sheet).multiline_text((8, size[1] + 4), words, "white", ImageFont.load_default(14))
    return np.asarray(sheet)


def _refer(picture: Dataset, header: Dataset, frame: int) -> None:
    """Name the image that a picture was drawn from."""
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    if (frames := frame_numbers(header, frame)) is not None:
        source.ReferencedFrameNumber = frames
    source.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    picture.SourceImageSequence = [source]
    picture.BodyPartExamined = "CHEST"
    picture.BurnedInAnnotation = "NO"  # The words on it say nothing of whom it shows.
    for keyword in _KEPT:
        if keyword in header:
            picture[keyword] = header[keyword]
