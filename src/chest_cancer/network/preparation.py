"""From a decoded file to a classifier's input, without the classifier: other processes get no more than this."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.lungs import shows_lung
from chest_cancer.imaging.pixels import DecodedImage, UnreadableImageError
from chest_cancer.imaging.standardise import PREPROCESSING_VERSION, SAME_PIXELS_SINCE
from chest_cancer.imaging.windows import see
from chest_cancer.network.manifest import Manifest
from chest_cancer.parameters.blocks import StandardisationParameters


class Seen(NamedTuple):
    """What is known of an image before the network sees it.

    Attributes:
        chest: Whether its Hounsfield units show lung; False for a picture.
        is_asked: Whether there is something to ask about: False for a CT slice above or below the lungs, unless the
            classifier has learnt from such.
    """

    chest: bool
    is_asked: bool


@dataclass(frozen=True)
class Preparation:
    """What images go through before a classifier sees them.

    Attributes:
        version: Of the preprocessing of its training images.
        standardisation: What these went through.
        slices_without_lung: Whether CT slices without lung were among them.
    """

    version: int
    standardisation: StandardisationParameters
    slices_without_lung: bool = False

    @classmethod
    def of(cls, manifest: Manifest) -> "Preparation":
        """Take what a classifier's manifest says."""
        return cls(manifest.preprocessing_version, manifest.standardisation, manifest.slices_without_lung)

    def pixels_of(self, image: DecodedImage) -> NDArray[np.uint8]:
        """Take the pixels of a file, if they are what the classifier's training images would have had.

        Args:
            image: What `decode_image` made of the file.

        Returns:
            Its pixels, uint8 [H, W, 3] RGB, through the window of `standardisation`.

        Raises:
            UnreadableImageError: The file has grey of more than 8 bits, as DICOM has, and the classifier is older than
                today's way to show it.
        """
        since = SAME_PIXELS_SINCE.get(image.scaling, PREPROCESSING_VERSION)
        if self.version < since:
            raise UnreadableImageError(
                f"{image.format} image in grey of more than 8 bits, which is read in another way since this "
                "classifier was trained; expected 8 bits, or train the model again with this version of chest_cancer"
            )
        return see(image, self.standardisation.window)

    def look_at(self, image: DecodedImage) -> Seen:
        """Look whether an image shows what the classifier is asked about."""
        lung = shows_lung(image)
        return Seen(lung and image.hounsfield is not None, lung or self.slices_without_lung)
