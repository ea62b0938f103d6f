"""The stages of dvc.yaml say what the pipelines, the catalog and the imports say."""

import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grimp
import parse
import pytest
import yaml

from conftest import PROJECT

PIPELINES = [
    "data_ingestion",
    "model_preparation",
    "feature_extraction",
    "data_audit",
    "model_training",
    "model_evaluation",
    "model_audit",
    "reporting",
]
# Whole folders, so that a new audit or plot needs no new line.
FOLDERS = {Path("data/08_reporting") / name for name in ("data_audit", "model_audit", "plots")}
DATASETS = "chest_cancer.datasets."
AUDITS = "chest_cancer.audits.registry"
# Values of parameters are watched one by one, progress is only told, the rest only names packages.
SHARED = {
    f"chest_cancer{name}"
    for name in (
        "",
        ".parameters",
        ".parameters.blocks",
        ".parameters.engine",
        ".parameters.sources",
        ".parameters.values",
        ".jobs.long_work",
        ".jobs.progress",
        ".datasets",
        ".imaging",
    )
}
# What no file of the project holds, the caches of features and of the champion, and the secret of this copy of it.
UNWATCHED = {"params", "provenance", "feature_store", "champion", "patient_key"}

# Ingestion looks at them early, training checks them: an environment's do not make ingestion run again.
CHECKED_AGAIN = {"model_training.normal_class", "model_training.positive_classes"}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("chest_cancer")


@pytest.fixture(scope="module")
def stages() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def catalog() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((PROJECT / "conf" / "base" / "catalog.yml").read_text())


def entry(catalog: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A dataset's entry without the wrapper that records it."""
    if name in catalog:
        found = catalog[name]
    else:  # by a factory, such as evaluation_plot_{plot}
        pattern, values = max(
            ((pattern, match.named) for pattern in catalog if (match := parse.parse(pattern, name))),
            key=lambda found: len(re.sub(r"{.*?}", "", found[0])),
        )
        text = yaml.safe_dump(catalog[pattern])
        for variable, value in values.items():
            text = text.replace(f"{{{variable}}}", value)
        found = yaml.safe_load(text)
    return found.get("dataset", found)


def watched(filepath: str) -> str:
    """What DVC watches of a file: itself, or the folder that it watches whole."""
    folder = Path(filepath).parent
    return folder.as_posix() if folder in FOLDERS else filepath


def used(imports: grimp.ImportGraph, start: Iterable[str], *, whole_datasets: bool) -> set[str]:
    """Modules that these import; a dataset that is only read leads to no further one."""
    found: set[str] = set()
    todo = list(start)
    while todo:
        module = todo.pop()
        if module in found:
            continue
        found.add(module)
        todo += [
            other
            for other in imports.find_modules_directly_imported_by(module)
            if whole_datasets or not (module.startswith(DATASETS) and other.startswith(DATASETS))
        ]
        if module == AUDITS:  # which imports them by their names
            todo += imports.find_descendants("chest_cancer.audits")
    return found - SHARED


def file_of(module: str) -> Path:
    path = Path("src", *module.split("."))
    return path / "__init__.py" if (PROJECT / path).is_dir() else path.with_suffix(".py")


def paths(items: Iterable[str | dict[str, Any]]) -> set[str]:
    return {item if isinstance(item, str) else next(iter(item)) for item in items}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_stage_depends_on_the_code_that_makes_its_results_and_on_no_other(
    imports: grimp.ImportGraph, stages: dict[str, Any], catalog: dict[str, Any], name: str
) -> None:
    package = f"chest_cancer.pipelines.{name}"
    pipeline = importlib.import_module(package).create_pipeline()
    written = [entry(catalog, output)["type"].rsplit(".", 1)[0] for output in pipeline.all_outputs()]
    needed = used(imports, imports.find_descendants(package) | {package}, whole_datasets=False)
    needed |= used(imports, [kind for kind in written if kind.startswith(DATASETS)], whole_datasets=True)
    files = {file_of(module) for module in needed}

    named = {Path(path) for path in paths(stages[name]["deps"]) if path.startswith("src/")}

    assert [file for file in sorted(files) if not ({file, *file.parents} & named)] == []
    assert [path for path in sorted(named) if not any(path in {file, *file.parents} for file in files)] == []


@pytest.mark.parametrize("name", PIPELINES)
def test_a_stage_takes_and_makes_the_files_that_the_catalog_names(
    stages: dict[str, Any], catalog: dict[str, Any], name: str
) -> None:
    pipeline = importlib.import_module(f"chest_cancer.pipelines.{name}").create_pipeline()
    inputs = {item for item in pipeline.inputs() if item.split(":")[0] not in UNWATCHED}

    stage = stages[name]

    assert {path for path in paths(stage["deps"]) if path.startswith("data/")} == {
        watched(entry(catalog, item)["filepath"]) for item in inputs
    }
    made = paths([*stage["outs"], *stage.get("metrics", []), *stage.get("plots", [])])
    entries = [entry(catalog, item) for item in pipeline.all_outputs()]
    results = {watched(each["filepath"]) for each in entries if each["type"] != "MemoryDataset"}
    assert made == results | {f"data/lineage/{name}.json"}  # what they were made from stays with them


@pytest.mark.parametrize("name", PIPELINES)
def test_a_stage_watches_the_blocks_that_its_pipeline_reads(stages: dict[str, Any], name: str) -> None:
    pipeline = importlib.import_module(f"chest_cancer.pipelines.{name}").create_pipeline()
    blocks = {item.removeprefix("params:") for item in pipeline.inputs() if item.startswith("params:")}

    base, environment = stages[name]["params"]

    assert set(base["conf/base/parameters.yml"]) == blocks
    # A single parameter of a block may be missing there, which DVC takes for an error: so its block is watched.
    whole = {block.partition(".")[0] for block in blocks - CHECKED_AGAIN} - {"seed"}
    assert set(environment["conf/${env}/parameters.yml"]) == whole


def test_every_environment_names_every_block_that_is_watched_and_leaves_the_seed_to_the_base() -> None:
    files = [path for path in PROJECT.glob("conf/*/parameters.yml") if path.parent.name not in {"base", "local"}]

    assert files
    watched_blocks = set(yaml.safe_load((PROJECT / "conf/base/parameters.yml").read_text())) & set(PIPELINES)
    for path in files:
        assert set(yaml.safe_load(path.read_text())) - {"batch_inference"} == watched_blocks, path


def test_a_documented_experiment_changes_a_file_that_the_stages_read() -> None:
    environment = yaml.safe_load((PROJECT / "params.yaml").read_text())["env"]
    named = re.findall(r"dvc exp run -S (\S+?):", (PROJECT / "docs/dvc.md").read_text())

    assert named
    assert set(named) <= {"conf/base/parameters.yml", f"conf/{environment}/parameters.yml"}
