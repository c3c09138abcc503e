"""Pictures are read as they were written."""

import io

import numpy as np
import pytest
from PIL import Image

from speech.waveform.png import palette_png

PALETTE = bytes(range(256)) * 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 1), (240, 1000)])
def test_pixels_survive(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    picture = Image.open(io.BytesIO(palette_png(pixels, PALETTE)))
    picture.load()  # checks the checksums
    assert picture.mode == "P"
    assert np.array_equal(np.asarray(picture), pixels)
    assert bytes(picture.getpalette("RGB")) == PALETTE
