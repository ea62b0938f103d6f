"""Which head on which features: the table of docs/results.md.

Works on the training and validation images of the last run: what is chosen here must not have seen its test images.
`python -m benchmarks.heads` after `kedro run --pipelines data_ingestion,model_preparation,feature_extraction`.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import onnx
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chest_cancer.audits.leakage.scores import NearestImage
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.features import LEARNT, LabelledFeatures, class_names, label_features
from chest_cancer.network.graph import LAST_MAP
from chest_cancer.network.heads.logistic import quick_kernel_head, quick_linear_head
from chest_cancer.network.runtime import Network
from chest_cancer.network.vgg16 import KerasModel
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.pipelines.model_training.selection import compare_heads
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.cross_validation import (
    REPEATS,
    Folds,
    draw_folds,
    measure_scores,
    predict_out_of_fold,
)
from chest_cancer.statistics.intervals import in_words

DEFAULTS = Parameters()
SEED, TRAINING = DEFAULTS.seed, DEFAULTS.model_training
BATCH = 16


def main() -> None:
    settings = OmegaConfigLoader("conf", base_env="base", default_run_env="local")
    names = ("raw_images", "split_table", "features", "frozen_base", "trainable_top")
    catalog = DataCatalog.from_config({name: settings["catalog"][name] for name in names}, settings["credentials"])
    images, table, features, base, top = (catalog.load(name) for name in names)
    paths = table.drop_duplicates("pixel_sha256").set_index("pixel_sha256")["path"]
    maps = _flat_maps(images, paths.loc[features["pixel_sha256"]], base)
    flat = label_features({"pixel_sha256": features["pixel_sha256"], "embedding": maps}, table, *LEARNT).inputs
    labelled = label_features(features, table, *LEARNT)

    pooled, numbers, groups, _ = labelled
    draws = draw_folds(numbers, groups, SEED, REPEATS)
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scored = {
        "nearest image, pooled": predict_out_of_fold(NearestImage(), pooled, numbers, draws),
        "scikit-learn's logistic regression, flat": predict_out_of_fold(logistic, flat, numbers, draws),
        "scikit-learn's logistic regression, pooled": predict_out_of_fold(logistic, pooled, numbers, draws),
        "linear, pooled": predict_out_of_fold(quick_linear_head(), pooled, numbers, draws),
        "kernel, pooled": predict_out_of_fold(
            quick_kernel_head(TRAINING.kernel.width, TRAINING.kernel.landmarks, SEED), pooled, numbers, draws
        ),
    }
    chosen: Counter[str] = Counter()
    scored["`auto`, pooled, as a run trains it"] = _predict_automatically(labelled, draws, top, chosen)
    print(f"{len(numbers)} images, {len(set(groups))} groups, classes: {', '.join(class_names(table))}\n")
    print("| head | accuracy | area under the ROC curve |\n| --- | --- | --- |")
    for name, scores in scored.items():
        measured = measure_scores(numbers, scores, groups, DEFAULTS.model_evaluation.confidence)
        print(f"| {name} | {in_words(measured['accuracy'], 3)} | {in_words(measured['roc_auc'], 3)} |")
    print(f"\n`auto` took {', '.join(f'{head} {count} times' for head, count in chosen.most_common())}.")


def _flat_maps(images: ImageFolder, paths: Iterable[str], base: onnx.ModelProto) -> NDArray[np.float32]:
    """The last map of each image as one row, [n, 25088]."""
    base.graph.output.append(onnx.helper.make_tensor_value_info(LAST_MAP, onnx.TensorProto.FLOAT, ["N", "C", 7, 7]))
    network = Network(base.SerializeToString(), "auto")
    standardisation = DEFAULTS.feature_extraction.standardisation
    pixels = [standardise(images.pixels(path), standardisation).pixels for path in paths]
    maps = network.stream(np.stack(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH))
    return np.concatenate([outputs[LAST_MAP].reshape(len(outputs[LAST_MAP]), -1) for outputs in maps])


def _predict_automatically(
    labelled: LabelledFeatures, draws: list[Folds], top: KerasModel, chosen: Counter[str]
) -> NDArray[np.float64]:
    """Choose and train a head on each fold's training images, a fifth of which stops the training; predict the rest."""
    import keras

    from chest_cancer.network.keras_head import build_model, fit, predict

    inputs, numbers, groups, _ = labelled
    classes = int(numbers.max()) + 1
    probabilities = np.zeros((len(draws), len(numbers), classes))
    for predicted, folds in zip(probabilities, draws, strict=True):
        for known, unknown in folds:
            (learning, stopping), *_ = draw_folds(numbers[known], groups[known], SEED, 1)[0]
            training, held_back = known[learning], known[stopping]
            choice = compare_heads(inputs[training], numbers[training], groups[training], TRAINING, SEED)
            chosen[choice["head"]] += 1
            keras.utils.clear_session(free_memory=False)
            keras.utils.set_random_seed(SEED)
            model = build_model(top, inputs[training], classes, choice["head"], TRAINING, SEED)
            fit(
                model,
                (inputs[training], numbers[training]),
                (inputs[held_back], numbers[held_back]),
                TRAINING,
                SEED,
            )
            predicted[unknown] = softmax(predict(model, inputs[unknown]), axis=1)
    return probabilities


if __name__ == "__main__":
    main()
