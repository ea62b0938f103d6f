"""What happens to images between scanners, screens and files, as functions on pixels; strength 0 changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from chest_cancer.imaging.frame import SIDE

Pixels = NDArray[np.uint8]
Generator = np.random.Generator


def brightness(pixels: Pixels, strength: float, generator: Generator) -> Pixels:  # noqa: ARG001  # one signature for all
    """Add `strength` x 255 to every value."""
    return _to_bytes(pixels + 255 * np.float32(strength))


def contrast(pixels: Pixels, strength: float, generator: Generator) -> Pixels:  # noqa: ARG001  # one signature for all
    """Stretch values around the middle of the range by the factor 1 + `strength`."""
    return _to_bytes(127.5 + (pixels - np.float32(127.5)) * np.float32(1 + strength))


def jpeg(pixels: Pixels, strength: float, generator: Generator) -> Pixels:  # noqa: ARG001  # one signature for all
    """Send the image through a JPEG file of quality 100 - `strength`; 0 leaves it alone."""
    if not strength:
        return pixels
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=round(100 - strength))
    return np.asarray(Image.open(file))


def noise(pixels: Pixels, strength: float, generator: Generator) -> Pixels:
    """Add the same Gaussian noise to all channels, with a standard deviation of `strength` x 255."""
    drawn = generator.standard_normal((*pixels.shape[:2], 1), dtype=np.float32)
    return _to_bytes(pixels + 255 * np.float32(strength) * drawn)


def blur(pixels: Pixels, strength: float, generator: Generator) -> Pixels:  # noqa: ARG001  # one signature for all
    """Blur by a Gaussian with a standard deviation of `strength` pixels of the network's input."""
    radius = strength * min(pixels.shape[:2]) / SIDE
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius))) if radius else pixels


def resampling(pixels: Pixels, strength: float, generator: Generator) -> Pixels:  # noqa: ARG001  # one signature for all
    """Shrink both sides by the factor 1 - `strength`, and enlarge the image again."""
    height, width = pixels.shape[:2]
    small = max(round(width * (1 - strength)), 1), max(round(height * (1 - strength)), 1)
    shrunk = Image.fromarray(pixels).resize(small, Image.Resampling.BILINEAR)
    return np.asarray(shrunk.resize((width, height), Image.Resampling.BILINEAR))


def rotation(pixels: Pixels, strength: float, generator: Generator) -> Pixels:  # noqa: ARG001  # one signature for all
    """Turn the image by `strength` degrees, counter-clockwise; uncovered corners are black."""
    return np.asarray(Image.fromarray(pixels).rotate(strength, Image.Resampling.BILINEAR))


def border_removal(pixels: Pixels, strength: float, generator: Generator) -> Pixels:  # noqa: ARG001  # one signature for all
    """Black out the share `strength` of the sides' lengths along each edge."""
    rows, columns = (round(side * strength) for side in pixels.shape[:2])
    result = np.zeros_like(pixels)
    inside = np.s_[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]
    result[inside] = pixels[inside]
    return result


@dataclass(frozen=True)
class Perturbation:
    """A change of an image, at one strength.

    Attributes:
        name: What is changed.
        strength: How much, in the unit of `apply`.
        label: What is changed and how much, for people.
        apply: Pixels [H, W, 3], strength and source of randomness to pixels of the same shape.
    """

    name: str
    strength: float
    label: str
    apply: Callable[[Pixels, float, Generator], Pixels]

    def __call__(self, pixels: Pixels, generator: Generator) -> Pixels:
        """Change an image, uint8 [H, W, 3]."""
        return self.apply(pixels, self.strength, generator)


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("brightness", -0.15, "brightness -15 %", brightness),
    Perturbation("brightness", 0.15, "brightness +15 %", brightness),
    Perturbation("contrast", -0.3, "contrast x 0.7", contrast),
    Perturbation("contrast", 0.3, "contrast x 1.3", contrast),
    Perturbation("jpeg", 5, "JPEG quality 95", jpeg),
    Perturbation("jpeg", 70, "JPEG quality 30", jpeg),
    Perturbation("noise", 0.05, "noise, SD 5 %", noise),
    Perturbation("blur", 1, "blur, SD 1 pixel", blur),
    Perturbation("resampling", 0.6, "resampling to 40 %", resampling),
    Perturbation("rotation", 5, "rotation by 5°", rotation),
    Perturbation("border removal", 0.08, "outer 8 % blacked out", border_removal),
)


def _to_bytes(values: NDArray[np.float32]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
