"""Who is who: the patient of each image, which leaves this process's memory as a keyed hash alone."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from chest_cancer.imaging.pixels import Identifiers
from chest_cancer.parameters.values import ABOVE_CLASS, BELOW_CLASS
from chest_cancer.pipelines.data_ingestion.folder_names import last_part
from chest_cancer.pipelines.data_ingestion.layout import ClassFolder, Layout
from chest_cancer.sources.identity import Identity, patient_in_path
from chest_cancer.sources.table import ImageTable

# What may name patients: several for each class, of several images each, and none of which has most of the images.
_SUGGESTED = {
    BELOW_CLASS: "The folders below the class folders",
    r"(?P<patient>[^/]+?)[-_. ]*\(?\d+\)?\.\w+$": "The names of the files, up to their last number,",
}
_FEWEST_A_CLASS, _FEWEST_IMAGES, _LARGEST_SHARE = 3, 2, 0.2


@dataclass(frozen=True)
class WhoIsWho:
    """How the patient of an image is found.

    Attributes:
        way: The parameter `data_ingestion.patient`.
        key: Of this project; another one gives other hashes.
        table: Patient and study by path, as a table names them, for the files of which it names either.
    """

    way: str
    key: bytes
    table: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict, repr=False)

    def identify(self, path: str, folder: ClassFolder, identifiers: Identifiers | None) -> Identity:
        """Say whom an image shows.

        Args:
            path: Of its file.
            folder: The class folder that it lies in.
            identifiers: What its DICOM file says; None for other formats.

        Returns:
            Keyed hashes.
        """
        if self.way in ("auto", "table") and path in self.table:
            patient, study = self.table[path]
            by_table = Identity.of(self.key, patient=patient, study=study)
            if patient or self.way == "table":
                return by_table
            return Identity.in_file(self.key, identifiers)._replace(study=by_table.study)
        if self.way in ("auto", "dicom"):
            return Identity.in_file(self.key, identifiers)
        read = _BY_PATH.get(self.way)
        name = read(path, folder) if read else patient_in_path(path, self.way)
        return Identity.of(self.key, patient=name)


def named_by(table: ImageTable | None) -> dict[str, tuple[str | None, str | None]]:
    """Read patient and study of each file off a table, for `WhoIsWho`."""
    if table is None:
        return {}
    known = table.rows[["patient", "study"]].dropna(how="all").astype(object)
    known = known.where(known.notna(), None)
    return dict(zip(known.index, known.itertuples(index=False, name=None), strict=True))


def _below_class(path: str, folder: ClassFolder) -> str | None:
    first, inside, _ = path.removeprefix(f"{folder.path}/").partition("/")
    return first if inside else None


def _above_class(_path: str, folder: ClassFolder) -> str | None:
    return last_part(folder.path.rpartition("/")[0]) or None


_BY_PATH: dict[str, Callable[[str, ClassFolder], str | None]] = {
    "unknown": lambda _path, _folder: None,
    "table": lambda _path, _folder: None,
    BELOW_CLASS: _below_class,
    ABOVE_CLASS: _above_class,
}


def say_who_is_known(index: pd.DataFrame) -> list[str]:
    """Say in sentences what is odd about the patients of the images.

    Args:
        index: The image index.

    Returns:
        Sentences that name no patient; none where nothing is odd or nobody is known.
    """
    known = index[["patient", "label", "pixel_sha256"]].dropna(subset=["patient"])
    if known.empty:
        return []
    said = []
    if nobody := len(index) - len(known):
        said.append(
            f"Of {nobody} of {len(index)} images the patient is not known: nothing but their likeness keeps these "
            "patients out of two splits."
        )
    if several := _with_several(known, "patient", "label"):
        said.append(f"{several} patients have images of more than one class: each patient stays in one split.")
    if shared := _with_several(known, "pixel_sha256", "patient"):
        said.append(
            f"{shared} pictures are filed under more than one patient: these patients are taken for one, and stay in "
            "one split."
        )
    return said


def _with_several(index: pd.DataFrame, one: str, other: str) -> int:
    """Count values of one column that come with several of another."""
    pairs = index[[one, other]].drop_duplicates()
    return len(set(pairs.loc[pairs[one].duplicated(), one]))


def count_patients(index: pd.DataFrame) -> int | None:
    """Count the patients; None where that of any image is not known."""
    return int(index["patient"].nunique()) if index["patient"].notna().all() else None


def suggest_way(index: pd.DataFrame, layout: Layout) -> list[str]:
    """Say how names of folders or files could be read as patients, where nobody is known; unasked nothing is.

    Args:
        index: The image index.
        layout: Which folders are classes.

    Returns:
        A sentence with the parameter that switches it on, or none.
    """
    if index["patient"].notna().any():
        return []
    for way, words in _SUGGESTED.items():
        who = WhoIsWho(way, b"")
        folders = {path: folder for path in index["path"] if (folder := layout.find(path))}
        found = [who.identify(path, folder, None).patient for path, folder in folders.items()]
        patients, largest = len(set(found)), Counter(found).most_common(1)[0][1]
        few = patients < _FEWEST_A_CLASS * index["label"].nunique() or largest > _LARGEST_SHARE * len(index)
        if None in found or few or patients > len(index) / _FEWEST_IMAGES:
            continue
        return [
            f"{words} may name patients: {patients}, for {len(index)} images. If they do, "
            f"`data_ingestion.patient: '{way}'` keeps each patient in one split."
        ]
    return []
