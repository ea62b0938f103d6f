"""Series: which slices lie in one, which of them can't be used and why, and which of the others are used."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import pandas as pd

from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.volumes.selection import select_slices
from chest_cancer.imaging.volumes.series import Series, Slice, sort_slices
from chest_cancer.parameters.sources import VolumeParameters
from chest_cancer.pipelines.data_ingestion.examine import Scan

_DOUBLED = "doubled: another file of the series has the same position and the same values"
# What is told of series; that slices are doubled is told of each of these.
_NOTES = {
    "gap": "Series with missing slices",
    "uneven": "Series with uneven spacing",
    "mixed": "Series with more than one size, spacing or orientation",
    "acquisitions": "Series with more than one acquisition",
}


class Surveyed(NamedTuple):
    """What images are by the series that they lie in.

    Attributes:
        images: Rows of those that can be used; pictures and slices without a place are among them.
        refused: Path and reason of the others.
        series: Those of two slices and more; what was refused for its lungs alone is in there.
        notes: What was odd about series, in sentences.
    """

    images: pd.DataFrame
    refused: list[tuple[str, str]]
    series: list[Series]
    notes: list[str]


def survey_series(images: pd.DataFrame, scans: Mapping[str, Scan], parameters: VolumeParameters) -> Surveyed:
    """Sort slices into series, and refuse what is doubled, not axial, ambiguous or without lung.

    Slices of one series that have different labels or splits are looked at apart, so that none hides that it is
    labelled twice.

    Args:
        images: All that can be read, a row each: `path`, `label` and `source_split`.
        scans: Of those that say where they lie, by path.
        parameters: Whether slices without lung are used.

    Returns:
        What can be used, and the rest with its reason.
    """
    places: defaultdict[str, defaultdict[tuple[str, str], list[Slice]]] = defaultdict(lambda: defaultdict(list))
    placed = images.loc[images["path"].isin(scans), ["path", "label", "source_split"]].fillna("")
    for path, label, split in placed.itertuples(index=False, name=None):
        # A file that names no series is one by itself.
        places[scans[path].place.identifiers.series or path][label, split].append(scans[path].place)
    refused: dict[str, str] = {}
    found: list[Series] = []
    whole: list[Series] = []
    for labelled in places.values():
        parts: list[Series] = []
        for slices in labelled.values():
            stacks, refusals = sort_slices(slices)
            refused |= {file: refusal.reason for refusal in refusals for file in refusal.files}
            used = {file for stack in stacks for file in stack.files}
            doubled = [slice_.file for slice_ in slices if slice_.file not in used and slice_.file not in refused]
            refused |= dict.fromkeys(doubled, _DOUBLED)
            parts += [stack for stack in stacks if len(stack.slices) > 1]
        found += parts
        # Slices that have another label are missing in none: a series is odd or not as a whole.
        whole += parts if len(labelled) == 1 else _stacks(chain(*labelled.values()), refused)
    if parameters.lungs is not None:
        refused = {path: NO_LUNG for path, scan in scans.items() if not scan.shows_lung} | refused
    usable = images[~images["path"].isin(refused)]
    return Surveyed(usable, sorted(refused.items()), found, _describe(whole))


def _stacks(slices: Iterable[Slice], refused: Container[str]) -> list[Series]:
    """The series of two slices and more that are left without what was refused."""
    stacks, _ = sort_slices([slice_ for slice_ in slices if slice_.file not in refused])
    return [stack for stack in stacks if len(stack.slices) > 1]


def choose_slices(
    images: pd.DataFrame, series: Sequence[Series], parameters: VolumeParameters
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out slices of series that the parameters don't ask for: their neighbours stand for them.

    Args:
        images: Those that can be used, a row each, with `path`.
        series: What they lie in; slices that can't be used may be in there.
        parameters: How far apart slices are, in which part of the lungs, and how many of a study at most.

    Returns:
        The images that are used, and a sentence on the others, if there are any.
    """
    usable = {*images["path"]} if series else set()
    of_study = Counter(_study_of(stack) for stack in series)
    left_out: set[str] = set()
    candidates = 0
    for stack in series:
        slices = [slice_ for slice_ in stack.slices if slice_.file in usable]
        up = -1 if stack.slices[0].normal[2] < 0 else 1  # Series may run from the head to the feet.
        slices = slices[::up]
        most = parameters.most_slices
        chosen = select_slices(
            [up * slice_.position for slice_ in slices],
            [True] * len(slices),
            every_mm=parameters.every_mm,
            part=parameters.lungs or (0.0, 1.0),
            most=most and max(most // of_study[_study_of(stack)], 1),
        )
        candidates += len(slices)
        left_out |= {slice_.file for slice_ in slices} - {slices[number].file for number in chosen}
    if not left_out:
        return images, []
    note = (
        f"Of {candidates} slices of {len(series)} series {candidates - len(left_out)} are used, as "
        f"`data_ingestion.volumes` says; the other {len(left_out)} are neither in the index nor in quarantine."
    )
    return images[~images["path"].isin(left_out)], [note]


def _study_of(stack: Series) -> str:
    identifiers = stack.slices[0].identifiers
    return identifiers.study or identifiers.series


def _describe(stacks: Sequence[Series]) -> list[str]:
    """Say of each kind of oddity how many series have it, with the first of them as the example."""
    told = []
    for kind, words in _NOTES.items():
        odd = [(stack, note) for stack in stacks for note in stack.notes if note.kind == kind]
        if odd:
            stack, note = odd[0]
            told.append(f"{words}: {len(odd)} of {len(stacks)}, such as that of `{stack.files[0]}`: {note.text}.")
    return [*told, *_describe_derived(stacks)]


def _describe_derived(stacks: Sequence[Series]) -> list[str]:
    """Say which series show again what others of their study do: those that were computed from these."""
    original = {_study_of(stack) for stack in stacks if not _is_derived(stack)}
    again = [stack for stack in stacks if _is_derived(stack) and _study_of(stack) in original]
    if not again:
        return []
    return [
        f"Series that were computed from others, beside an original one of their study: {len(again)} of {len(stacks)}, "
        f"such as that of `{again[0].files[0]}`: DICOM ImageType (0008,0008) is {again[0].slices[0].image_type}. Their "
        "slices are used beside those of the others; leave them out of the source if they are not meant."
    ]


def _is_derived(stack: Series) -> bool:
    return stack.slices[0].image_type.upper().startswith("DERIVED")
