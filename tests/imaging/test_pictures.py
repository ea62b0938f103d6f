"""Pictures as data URLs."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from chest_cancer.imaging.pictures import picture_url


@pytest.mark.parametrize(("lossless", "kind"), [(True, "png"), (False, "jpeg")])
def test_a_picture_comes_back_from_its_url(lossless: bool, kind: str) -> None:
    pixels = np.linspace(0, 255, 64 * 64, dtype=np.uint8).reshape(64, 64)

    start, _, data = picture_url(Image.fromarray(pixels), lossless=lossless).partition(",")

    assert start == f"data:image/{kind};base64"
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.abs(picture.astype(int) - pixels).max() <= (0 if lossless else 4)
