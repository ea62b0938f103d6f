"""Labels that are turned round, and how many of them the audit of suspects lists: a sentence of docs/data.md.

`python -m benchmarks.turned_labels --draws 8` after `make inspect SOURCE=a.zip`. Test images count too: nothing is
chosen here.
"""

import argparse

import numpy as np
import pandas as pd
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog

from chest_cancer.audits.sample import sample_images
from chest_cancer.audits.suspects.labels import average_probabilities, find_wrong_labels
from chest_cancer.network.features import class_names
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.storage.arrays import Arrays

SHARE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turned_labels", description=__doc__)
    parser.add_argument("--draws", type=int, default=8)
    settings = OmegaConfigLoader("conf", base_env="base", default_run_env="local")
    catalog = DataCatalog.from_config({name: settings["catalog"][name] for name in ("split_table", "features")})
    table, features = catalog.load("split_table"), catalog.load("features")
    pictures = table["pixel_sha256"].unique()
    print(f"{len(pictures)} distinct images, {SHARE:.0%} of the labels turned round.\n")
    print("| draw | listed | of them turned | turned ones listed |\n| --- | --- | --- | --- |")
    shares = []
    for draw in range(parser.parse_args().draws):
        chosen = np.random.default_rng(draw).choice(pictures, round(SHARE * len(pictures)), replace=False)
        listed, turned = _find(table, features, set(chosen))
        shares.append((np.mean(turned[listed]), np.mean(listed[turned])))
        print(f"| {draw} | {np.count_nonzero(listed)} | {shares[-1][0]:.2f} | {shares[-1][1]:.2f} |", flush=True)
    precision, recall = np.mean(shares, axis=0)
    listed, _ = _find(table, features, set())
    print(f"| mean | | {precision:.2f} | {recall:.2f} |\n\nWith no label turned: {np.count_nonzero(listed)} listed.")


def _find(table: pd.DataFrame, features: Arrays, chosen: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which images are listed, and which ones' labels were turned, [n] each."""
    classes = class_names(table)
    following = dict(zip(classes, classes[1:] + classes[:1], strict=True))
    turned = table["pixel_sha256"].isin(chosen)
    labels = table["label"].where(~turned, table["label"].map(following))
    sample = sample_images(table.assign(label=labels), features, Parameters().seed)
    assert sample.cross_validated is not None, "a class has a single group: nothing can be said of its labels"
    probabilities = average_probabilities(sample.cross_validated.scores)
    return find_wrong_labels(probabilities, sample.numbers), sample.images["pixel_sha256"].isin(chosen).to_numpy()


if __name__ == "__main__":
    main()
