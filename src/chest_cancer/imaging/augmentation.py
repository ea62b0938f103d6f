"""Random views of an image, for training."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.parameters.blocks import AugmentationParameters

AUGMENTATION_VERSION = 1
"""Changes with every change here that changes views."""


def augment(
    pixels: NDArray[np.uint8], parameters: AugmentationParameters, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw one view: flip, rotation, shift, shear and zoom in one bilinear resampling; uncovered edges are black.

    Args:
        pixels: Image, uint8 [H, W, 3].
        parameters: The largest amount of each change.
        generator: Source of randomness.

    Returns:
        The view, uint8 [H, W, 3].
    """
    height, width = pixels.shape[:2]
    angle, shear = np.deg2rad(generator.uniform(-1, 1, 2) * [parameters.rotation_degrees, parameters.shear_degrees])
    scale = 1 + generator.uniform(-1, 1) * parameters.zoom
    shift = generator.uniform(-1, 1, 2) * parameters.shift * [width, height]
    mirror = -1.0 if parameters.horizontal_flip and generator.random() < 0.5 else 1.0

    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ [[1.0, np.tan(shear)], [0.0, 1.0]] @ np.diag([mirror, 1.0]) / scale
    centre = np.array([width, height]) / 2
    # Pillow asks, for each pixel of the view, where in the image it comes from.
    offset = centre - matrix @ (centre + shift)
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    view = Image.fromarray(pixels).transform(
        (width, height), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BILINEAR
    )
    return np.asarray(view)
