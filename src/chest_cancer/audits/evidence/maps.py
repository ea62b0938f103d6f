"""Evidence maps beside lesions, pixels without the evidence, and heads that learned nothing."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image, ImageFilter

from chest_cancer.imaging.evidence import Cells
from chest_cancer.imaging.frame import WHOLE_IMAGE, Frame
from chest_cancer.network.embedding import draw_order
from chest_cancer.network.heads.registry import HEADS

Pixels = NDArray[np.uint8]

OVERLAPS = ("pointing", "pointing_exact", "inside", "intersection_over_union")
"""What `overlap` gives, each with `<name>_chance`."""

_SHUFFLED = {name: axis for head in HEADS.values() for name, axis in head.shuffled.items()}
"""Tensors of heads, and along which axis their features, or landmarks, lie."""
_SIDE = 7
"""Cells on each side of a map."""
_SMALLEST = float(np.finfo(np.float32).tiny)


def lesion_cells(mask: NDArray[np.bool_], frame: Frame = WHOLE_IMAGE) -> NDArray[np.bool_]:
    """Lay the grid of a map over what the network saw, and find the cells that a mask touches.

    Args:
        mask: Where the lesion is in the whole image, bool [H, W].
        frame: The part of the image that the grid covers; as `standardise` gives it.

    Returns:
        bool [7, 7].
    """
    cells = np.zeros((_SIDE, _SIDE), dtype=bool)
    edges = ((frame.top, frame.bottom), (frame.left, frame.right))
    rows, columns = (
        np.floor((positions - low * length) * _SIDE / ((high - low) * length)).astype(np.int64)
        for positions, length, (low, high) in zip(np.nonzero(mask), mask.shape, edges, strict=True)
    )
    inside = (rows >= 0) & (rows < _SIDE) & (columns >= 0) & (columns < _SIDE)
    cells[rows[inside], columns[inside]] = True
    return cells


def overlap(cells: Cells, lesion: NDArray[np.bool_]) -> dict[str, float]:
    """Compare one map with the cells of its lesion.

    Args:
        cells: Evidence for the class, [h, w].
        lesion: Cells that the lesion touches, bool [h, w], at least one.

    Returns:
        `pointing` (the pointing game of Zhang et al., 2018, Top-down neural attention by excitation backprop; within
        one cell), `pointing_exact`, `inside` and `intersection_over_union`, each with `<name>_chance`, what cells drawn
        evenly would give.
    """
    padded = np.pad(lesion, 1)
    height, width = lesion.shape
    beside = np.any([padded[r : r + height, c : c + width] for r in range(3) for c in range(3)], axis=0)
    peak, positive, count = int(cells.argmax()), np.maximum(cells, 0), int(lesion.sum())
    strongest = np.isin(np.arange(cells.size), np.argsort(-cells, axis=None)[:count])
    both = int((strongest & lesion.ravel()).sum())
    by_chance = count**2 / cells.size
    return {
        "pointing": float(beside.ravel()[peak]),
        "pointing_chance": float(beside.mean()),
        "pointing_exact": float(lesion.ravel()[peak]),
        "pointing_exact_chance": float(lesion.mean()),
        "inside": float(positive[lesion].sum() / max(positive.sum(), _SMALLEST)),
        "inside_chance": float(lesion.mean()),
        "intersection_over_union": both / (2 * count - both),
        "intersection_over_union_chance": by_chance / (2 * count - by_chance),
    }


def blur_cells(pixels: Pixels, numbers: NDArray[np.int64]) -> Pixels:
    """Blur cells of an image beyond recognition; their brightness stays, so that nothing new is drawn.

    Args:
        pixels: uint8 [H, W, 3].
        numbers: Cells of a map's grid, [7, 7], counted row by row.
    """
    height, width = pixels.shape[:2]
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(min(height, width) / _SIDE)))
    hidden = np.isin(np.arange(_SIDE**2), numbers).reshape(_SIDE, _SIDE)
    rows, columns = (np.arange(length) * _SIDE // length for length in (height, width))
    return np.where(hidden[np.ix_(rows, columns)][:, :, None], blurred, pixels)


def shuffle_head(graph: bytes, seed: int) -> bytes:
    """Give each feature another feature's weights, to see what of a map depends on what was learned.

    Args:
        graph: A serialised graph that `chest_cancer.network.graph.classifier` built.
        seed: Random seed for the shuffle.

    Returns:
        The same graph with the first dense layer's weights shuffled over the means and, alike, over the maxima; of a
        kernel head, the weights of each landmark shuffled over the landmarks; of a head that reads a map, those of each
        channel over the channels.
    """
    model = onnx.load_from_string(graph)
    generator = np.random.default_rng(seed)
    features = draw_order(generator)
    for tensor in model.graph.initializer:
        if tensor.name in _SHUFFLED:
            array, axis = numpy_helper.to_array(tensor), _SHUFFLED[tensor.name]
            others = np.random.default_rng(seed).permutation(array.shape[axis])
            order = features if array.shape[axis] == features.size else others
            tensor.CopyFrom(numpy_helper.from_array(np.take(array, order, axis), tensor.name))
    shuffled: bytes = model.SerializeToString()
    return shuffled
