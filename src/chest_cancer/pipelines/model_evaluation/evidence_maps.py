"""Evidence maps beside lesions, pixels without the evidence, and heads that learned nothing."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image, ImageFilter

Cells = NDArray[np.float64]
Pixels = NDArray[np.uint8]

OVERLAPS = ("pointing", "pointing_exact", "inside", "intersection_over_union")
"""What `overlap` gives, each with `<name>_chance`."""

_SMALLEST = float(np.finfo(np.float32).tiny)


def contrast(evidence: NDArray[np.float32], number: int) -> Cells:
    """Take the evidence for a class less the mean over classes: what all classes share moves no probability.

    Args:
        evidence: [K, h, w].
        number: Of the class.

    Returns:
        float64 [h, w].
    """
    precise = evidence.astype(np.float64)
    return np.asarray(precise[number] - precise.mean(axis=0))


def lesion_cells(mask: NDArray[np.bool_], side: int = 7) -> NDArray[np.bool_]:
    """Find the cells of a `side` x `side` grid that a mask, bool [H, W], touches."""
    rows, columns = np.nonzero(mask)
    cells = np.zeros((side, side), dtype=bool)
    cells[rows * side // mask.shape[0], columns * side // mask.shape[1]] = True
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


def blur_cells(pixels: Pixels, numbers: NDArray[np.int64], side: int = 7) -> Pixels:
    """Blur cells of an image beyond recognition; their brightness stays, so that nothing new is drawn.

    Args:
        pixels: uint8 [H, W, 3].
        numbers: Cells of a `side` x `side` grid, counted row by row.
        side: Of the grid.
    """
    height, width = pixels.shape[:2]
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(min(height, width) / side)))
    hidden = np.isin(np.arange(side**2), numbers).reshape(side, side)
    rows, columns = (np.arange(length) * side // length for length in (height, width))
    return np.where(hidden[np.ix_(rows, columns)][:, :, None], blurred, pixels)


def shuffle_head(graph: bytes, seed: int) -> bytes:
    """Give each feature another feature's weights, to see what of a map depends on what was learned.

    Args:
        graph: A serialised graph that `chest_cancer.graph.classifier` built.
        seed: Of the shuffle.

    Returns:
        The same graph with the first dense layer's weights shuffled over the means and, alike, over the maxima.
    """
    model = onnx.load_from_string(graph)
    generator = np.random.default_rng(seed)
    order = np.concatenate([generator.permutation(512), 512 + generator.permutation(512)])
    for tensor in model.graph.initializer:
        if tensor.name in ("kernel_1", "kernel_1_stacked"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[order], tensor.name))
        elif tensor.name == "kernel_1_transposed":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:, order], tensor.name))
    shuffled: bytes = model.SerializeToString()
    return shuffled
