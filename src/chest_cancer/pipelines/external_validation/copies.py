"""Images of another site that a model has learnt from, or that are like those."""

from collections.abc import Collection
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.network.embedding import means_of
from chest_cancer.network.features import LEARNT
from chest_cancer.statistics.near_duplicates import group_near_duplicates, join_identities
from chest_cancer.storage.arrays import Arrays

COPY = "the model has learnt from an image with the same pixels"
SIMILAR = "it resembles an image that the model has learnt from"
TOGETHER = "it is of one patient or study with such an image"


class Copies(TypedDict):
    """What was left out.

    Attributes:
        searched: By `likeness` and pixels, by `pixels` alone, or by `nothing`, as far as the model's images are known.
        images: Number of distinct images that were looked at.
        copies: Of them with pixels that the model has learnt from.
        similar: Others that resemble an image that it has learnt from.
        together: Others of one patient or study with these.
        words: The same as a sentence.
    """

    searched: str
    images: int
    copies: int
    similar: int
    together: int
    words: str


def find_copies(
    external: pd.DataFrame,
    external_looks: Arrays,
    own: pd.DataFrame,
    own_looks: Arrays,
    learnt: Collection[str],
    similarity: float,
) -> tuple[NDArray[np.int64], "pd.Series[str]"]:
    """Group images as for a split, together with the model's own ones: what is in one group with these is no new image.

    Patients are not looked for by their names: at two sites a number may be that of two people.

    Args:
        external: A row per distinct image of the other site: `pixel_sha256`, `perceptual_hash`, `patient` and `study`.
        external_looks: `embedding` of each, [n, 1024].
        own: A row per image that the model was made from: `perceptual_hash` and `split`. Empty where unknown.
        own_looks: `embedding` of each, [m, 1024]; empty where unknown.
        learnt: `pixel_sha256` of the images that it has learnt from.
        similarity: Cosine of embeddings at and above which two images are near.

    Returns:
        Group of each external image, [n]; and why it is left out, missing where it is not.
    """
    looks, hashes = means_of(external_looks["embedding"]), external["perceptual_hash"].to_list()
    known = own[own["split"].isin(LEARNT)] if len(own) else own
    count = len(external)
    if len(known):
        looks = np.concatenate([looks, means_of(own_looks["embedding"][known.index])])
        hashes += known["perceptual_hash"].to_list()
    alike = group_near_duplicates(looks, hashes, similarity)
    is_copy = external["pixel_sha256"].isin(learnt).to_numpy()
    is_similar = np.isin(alike[:count], alike[count:])
    groups = join_identities(alike[:count], external)
    is_together = np.isin(groups, groups[is_copy | is_similar])
    reasons = np.select([is_copy, is_similar, is_together], [COPY, SIMILAR, TOGETHER], "")
    return groups, pd.Series(reasons, index=external.index).replace("", None)


def count_copies(left_out: "pd.Series[str]", own: pd.DataFrame, learnt: Collection[str], similarity: float) -> Copies:
    """Count what was left out, and say how it was looked for.

    Args:
        left_out: Why each image is left out; missing where it is not.
        own: A row per image that the model was made from; empty where unknown.
        learnt: `pixel_sha256` of the images that it has learnt from; empty where unknown.
        similarity: Cosine of embeddings at and above which two images are near.
    """
    copies, similar, together = (int((left_out == reason).sum()) for reason in (COPY, SIMILAR, TOGETHER))
    found = (
        f"{copies + similar + together} of {len(left_out)} distinct images are left out: {copies} with the pixels of "
        "an image that the model has learnt from"
    )
    if len(own):
        searched = "likeness"
        words = f"{found}, {similar} that resemble one (cosine of {similarity:g} or more, or the same picture)"
    elif learnt:
        searched = "pixels"
        words = (
            f"{found}. Images that only resemble one were not looked for: the model's own images are missing here, or "
            "were changed"
        )
    else:
        searched = "nothing"
        words = (
            "Images that the model has learnt from could not be looked for: they are missing here, or were changed, "
            "and it is not known which they are"
        )
    words += f"; {together} of one patient or study with these" if together else ""
    return Copies(
        searched=searched, images=len(left_out), copies=copies, similar=similar, together=together, words=f"{words}."
    )


def counted(external_predictions: pd.DataFrame) -> pd.DataFrame:
    """Take the rows of the images that are measured."""
    return external_predictions[external_predictions["left_out"].isna()]
