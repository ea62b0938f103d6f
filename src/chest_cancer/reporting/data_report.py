"""The data report and the data card: what can be said of images before a classifier is trained."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from chest_cancer.imaging.pictures import thumbnail_url
from chest_cancer.network.manifest import DataSummary
from chest_cancer.parameters.blocks import FeatureExtractionParameters
from chest_cancer.reporting.ranked_limitations import FIRST, find_data_limitations
from chest_cancer.reporting.templates import TEMPLATES, AuditedPart, fill_page, fill_sections, other_patients_of
from chest_cancer.reporting.verdict import judge_data
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.split_names import SPLITS
from chest_cancer.statistics.sampling import draw_from_each_class

_ROWS = (*SPLITS, "leak", "copy")
_OF_EACH_CLASS, _SIDE = 4, 192


def show_training_images(images: ImageFolder, split_table: pd.DataFrame, seed: int) -> dict[str, list[str]]:
    """Show a few training images of each class, each of another patient or group.

    Args:
        images: The source's files.
        split_table: A row per image file: `path`, `label`, `group` and `split`.
        seed: Random seed for the draw.

    Returns:
        By class, at most four pictures in data URLs. Nothing names whom they show.
    """
    drawn = draw_from_each_class(split_table[split_table["split"] == "train"], _OF_EACH_CLASS, seed)
    return {
        str(label): [thumbnail_url(images.pixels(path), _SIDE) for path in paths]
        for label, paths in drawn.groupby("label")["path"]
    }


def render_data_report(
    data: DataSummary,
    odd: Sequence[str],
    split_table: pd.DataFrame,
    quarantine: pd.DataFrame,
    audits: list[AuditedPart],
    shown: Mapping[str, Sequence[str]],
) -> str:
    """Fill the template of the data report.

    Args:
        data: Summary of the source's images.
        odd: Sentences on what ingestion found odd.
        split_table: A row per image file: `label`, `format`, `mode`, `scaling`, `width`, `height`, `group`, `split` and
            `source_split`.
        quarantine: `path` and `reason` of each file that was not used.
        audits: What the audits of the data found.
        shown: By class, pictures in data URLs.

    Returns:
        An HTML page that needs no network.
    """
    return fill_page(
        "data_report.html",
        fill_sections(audits),
        {},
        odd=odd,
        shown=shown,
        other=other_patients_of(audits),
        verdict=judge_data(data, audits),
        first=FIRST,
        **_composition(data, split_table, quarantine, audits, with_copies=True),
    )


def render_data_card(
    data: DataSummary,
    odd: Sequence[str],
    split_table: pd.DataFrame,
    quarantine: pd.DataFrame,
    audits: list[AuditedPart],
    parameters: FeatureExtractionParameters,
) -> str:
    """Fill the data card's template.

    Args:
        data: Summary of the source's images.
        odd: Sentences on what ingestion found odd.
        split_table: A row per image file, with the columns that `render_data_report` needs.
        quarantine: `path` and `reason` of each file that was not used.
        audits: What the audits of the data found.
        parameters: The block `feature_extraction`.

    Returns:
        Markdown.
    """
    is_copy = split_table["split"] == "copy"
    return TEMPLATES.get_template("reporting/data_card.md").render(
        odd=odd,
        **_composition(data, split_table, quarantine, audits, with_copies=False),
        reasons=quarantine["reason"].str.split(":").str[0].value_counts().to_dict(),
        copies=is_copy.groupby(split_table["label"]).sum().to_dict(),
        kept_split=bool(split_table["source_split"].notna().any()),
        standardisation=parameters.standardisation,
        augmented=parameters.augmentation.enabled,
        similarity=parameters.groups.similarity,
    )


def _composition(
    data: DataSummary,
    split_table: pd.DataFrame,
    quarantine: pd.DataFrame,
    audits: list[AuditedPart],
    *,
    with_copies: bool,
) -> dict[str, Any]:
    splits = split_table["split"] if with_copies else split_table["split"].mask(split_table["split"] == "copy")
    counts = pd.crosstab(split_table["label"], splits)
    counts = counts[[name for name in _ROWS if name in counts]]
    kinds = (split_table["format"] + ", " + split_table["mode"]).value_counts()
    return {
        "data": data,
        "limitations": find_data_limitations(data, audits),
        "quarantine": quarantine.to_dict("records"),
        "groups": int(split_table["group"].nunique()),
        "formats": [f"{kind} ({count})" for kind, count in kinds.items()],
        "scalings": [f"{kind} ({count})" for kind, count in split_table["scaling"].value_counts().items()],
        "width": (int(split_table["width"].min()), int(split_table["width"].max())),
        "height": (int(split_table["height"].min()), int(split_table["height"].max())),
        "splits": list(counts.columns),
        "classes": {name: row.to_list() for name, row in counts.iterrows()},
    }
