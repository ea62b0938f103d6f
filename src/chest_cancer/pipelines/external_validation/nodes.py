"""Nodes of external_validation: the model, what it says of the images, and which of these count."""

import logging
from functools import partial
from typing import Any

import pandas as pd

from chest_cancer.network.preparation import Preparation
from chest_cancer.parameters.blocks import ExternalValidationParameters, FeatureExtractionParameters
from chest_cancer.pipelines.external_validation.copies import Copies, count_copies, find_copies
from chest_cancer.pipelines.external_validation.looking import look_at
from chest_cancer.record.trained_models import TrainedModel, TrainedModels
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.split_names import SPLITS
from chest_cancer.storage.arrays import Arrays

logger = logging.getLogger(__name__)


def choose_model(
    trained_models: TrainedModels, parameters: ExternalValidationParameters
) -> tuple[TrainedModel, list[str]]:
    """Take the model that is to be measured.

    Args:
        trained_models: Those that there are.
        parameters: The block `external_validation`: which one.

    Returns:
        The model, and its classes.

    Raises:
        FileNotFoundError: Nothing was trained yet.
    """
    model = trained_models(parameters.model)
    return model, list(model.classifier.classes)


def predict_external_images(
    images: ImageFolder, external_index: pd.DataFrame, model: TrainedModel, parameters: ExternalValidationParameters
) -> tuple[pd.DataFrame, Arrays]:
    """Send another site's images through the artefact that is served.

    Args:
        images: The source's files.
        external_index: A row per readable image.
        model: The trained model.
        parameters: The block `external_validation`: where this happens.

    Returns:
        A row per distinct image, with the index's columns, and how each looks to the model; see `look_at`.

    Raises:
        UnreadableImageError: The model is older than today's way to read grey of more than 8 bits.
    """
    preparation = Preparation.of(model.classifier.manifest)

    def load(path: str, _key: str) -> Any:
        return preparation.pixels_of(images.decoded(path))

    distinct = external_index.drop_duplicates("pixel_sha256")
    return look_at(distinct, load, model.classifier, "external images", parameters)


def predict_own_images(model: TrainedModel, parameters: ExternalValidationParameters) -> tuple[pd.DataFrame, Arrays]:
    """Send the images that the model was made from through it, too: by them copies are found and sites compared.

    Args:
        model: The trained model.
        parameters: The block `external_validation`: where this happens.

    Returns:
        As `predict_external_images`, with the columns of the split table; empty where these images are not here.
    """
    own = model.own_images
    if own is None:
        return pd.DataFrame(), {}
    used = own.split_table[own.split_table["split"].isin(SPLITS)]
    load = partial(own.files.pixels, window=model.classifier.standardisation.window)
    return look_at(used, load, model.classifier, "the model's own images", parameters)


def leave_out_copies(
    external_answers: pd.DataFrame,
    external_looks: Arrays,
    own_answers: pd.DataFrame,
    own_looks: Arrays,
    model: TrainedModel,
    parameters: FeatureExtractionParameters,
) -> tuple[pd.DataFrame, Copies]:
    """Find the images that the model has learnt from, or ones like them, and take groups of the others.

    Args:
        external_answers: A row per distinct image of the other site.
        external_looks: Its `embedding`.
        own_answers: The same of the images that the model was made from; empty where these are not here.
        own_looks: Likewise.
        model: Knows the pixels that it has learnt from.
        parameters: The block `feature_extraction`: what counts as a near-duplicate.

    Returns:
        `external_answers` with `group` (patients and studies joined with near-duplicates) and `left_out` (why an image
        is not measured; None where it is), and counts.

    Raises:
        ValueError: Nothing is left to measure.
    """
    groups, left_out = find_copies(
        external_answers, external_looks, own_answers, own_looks, model.learnt, parameters.groups.similarity
    )
    copies = count_copies(left_out, own_answers, model.learnt, parameters.groups.similarity)
    logger.info("%s", copies["words"])
    if left_out.notna().all():
        raise ValueError(
            "Invalid value received for `external_validation.source`. Expected images of another site. Received "
            f"{len(left_out)} images, all of which are or resemble images that the model has learnt from. Name other "
            "images."
        )
    return external_answers.assign(group=groups, left_out=left_out), copies
