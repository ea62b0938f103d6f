"""A batch without Kedro, in a process of its own: `python batch_run.py <source> <work> [<share>]`."""

import logging
import sys
from functools import cache
from pathlib import Path
from typing import Any

from chest_cancer.datasets.image_files_dataset import ImageFilesDataset
from chest_cancer.datasets.table_parts import TablePartsDataset
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.parameters.sources import PhantomParameters
from chest_cancer.pipelines.batch_inference.nodes import predict_images
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.storage.table_parts import TableParts
from tiny_classifier import tiny_classifier

KEY = bytes(32)
by_seed = cache(tiny_classifier)


def make_table(
    source: Path | str,
    work: Path,
    share: str | None = None,
    seed: int = 0,
    predictions: str | None = None,
    credentials: dict[str, Any] | None = None,
    classifier: Classifier | None = None,
    **block: object,
) -> TableParts:
    """Predict a source by a tiny classifier into `work`, as the catalog would; the table may be elsewhere."""
    parameters = BatchInferenceParameters.model_validate({"source": str(source), "part": share} | block)
    images = ImageFilesDataset(filepath=str(work / "images"), object_store={"credentials": credentials})
    few = PhantomParameters(images=4)
    images.save(ImageSource(location=str(source), parameter="batch_inference.source", key=KEY, phantom=few))
    planned, _, _ = predict_images(images.load(), classifier or by_seed(seed), parameters, KEY)
    table = TablePartsDataset(filepath=predictions or str(work / "predictions"), credentials=credentials)
    table.save(planned)
    return table.load()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    make_table(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
