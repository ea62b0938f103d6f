"""The parameters of a source of labelled images: `data_ingestion` and `external_validation` have them."""

from pathlib import PurePath
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from chest_cancer.parameters.values import Block, FewestAndMost, Fraction, Name, Part, PatientWay, TableRole


def source_name(location: str) -> str:
    """Name a source where others read it: an address as it is, of a path the last part, as folders may name people.

    Args:
        location: Where images come from, without secrets.
    """
    return location if "://" in location else PurePath(location).name or location


class PhantomParameters(Block):
    """Synthetic slices, made when `source` is `phantom`."""

    images: int = Field(400, ge=2, le=100_000, description="Number of images, divided evenly among the classes.")
    classes: tuple[str, ...] = Field(
        ("normal", "adenocarcinoma"),
        min_length=2,
        max_length=4,
        description="Also possible: `squamous_cell`, `large_cell`.",
    )
    slices_per_patient: FewestAndMost = Field(
        (1, 6), description="Fewest and most slices; the usual number lies a third of the way between."
    )
    patient_signature: Fraction = Field(
        1.0, description="Share of a patient's traits that all of its slices have: 0 none, 1 all except the height."
    )
    scanner: Literal["a", "b"] = Field(
        "a", description="b: another site, with other patients, more noise, a softer kernel and a wider window."
    )


class SourceLimits(Block):
    """What is accepted from a source before it counts as hostile or broken."""

    max_files: int = Field(1_000_000, ge=1, description="Most files in an archive or folder.")
    max_total_bytes: int = Field(50_000_000_000, ge=1, description="Most bytes after unpacking.")
    max_compression_ratio: float = Field(
        200.0, ge=1.0, description="Largest ratio of unpacked to packed size of one file."
    )
    max_pixels: int = Field(64_000_000, ge=1, description="Most pixels of one image, checked before it is decoded.")
    min_side: int = Field(32, ge=1, description="Fewest pixels of an image's shorter side.")


class TableParameters(Block):
    """A table of the images: a row for each, with whatever it knows of class, patient, study and split."""

    path: str | None = Field(
        None,
        min_length=1,
        description="A CSV, TSV or Parquet file, by its path from here or inside the source; null: there is no table.",
    )
    columns: dict[TableRole, Name | None] = Field(
        default_factory=dict,
        description="The column of each role, if the names of columns don't tell; null: the table has no such column.",
    )

    @model_validator(mode="after")
    def _columns_are_of_a_table(self) -> "TableParameters":
        if self.columns and self.path is None:
            raise ValueError("`columns` are those of a table: set its `path`, too")
        return self


class VolumeParameters(Block):
    """Which slices of a series are used, if there are several; pictures and single slices are always used."""

    every_mm: float = Field(
        5.0,
        ge=0.0,
        le=1000.0,
        description="Millimetres from one used slice to the next, or more if the series is coarser; 0: all slices.",
    )
    lungs: Part | None = Field(
        (0.0, 1.0),
        description="Part of the lungs' height: 0 their lowest slice, 1 their highest; null: slices without lung, too.",
    )
    most_slices: int | None = Field(None, ge=1, description="Most slices of a study; null: no limit.")


class FetchedParameters(Block):
    """Where images come from, and what is accepted from there."""

    source: str = Field(
        "phantom",
        min_length=1,
        description="`phantom`, a Google Drive link or `gdrive:<id>`, an `https://` archive, `dicomweb+https://` with "
        "a query of studies, `s3://bucket/prefix`, or a local archive or folder.",
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the archive, in lower-case hexadecimal digits; null: it is not checked.",
    )
    timeout_seconds: float = Field(10.0, gt=0, description="Most seconds to connect, and between two received blocks.")
    retries: int = Field(2, ge=0, le=20, description="How often a failed download is repeated, with growing pauses.")
    limits: SourceLimits = SourceLimits()


class SourceParameters(FetchedParameters):
    """Where labelled images come from, and how they are read.

    Attributes:
        block: Name of the block, for messages.
    """

    block: ClassVar[str]

    class_names: dict[Name, Name] = Field(
        default_factory=dict, description="The short class name for each long folder name."
    )
    patient: PatientWay = Field(
        "auto",
        description="How patients are found: auto (by table or DICOM, if there is any), table, dicom, unknown, "
        "`<class>/<patient>/<file>`, `<patient>/<class>/<file>`, or a regular expression on the path with a group "
        "`(?P<patient>…)`.",
    )
    table: TableParameters = TableParameters()
    volumes: VolumeParameters = VolumeParameters()
    phantom: PhantomParameters = PhantomParameters()
