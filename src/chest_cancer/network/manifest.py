"""What is known of a classifier besides its graph: the contents of `manifest.json`.

This needs nothing but Pydantic: servers and the record read it too.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import ValidationError

from chest_cancer.parameters.blocks import KernelParameters, StandardisationParameters
from chest_cancer.parameters.values import Block, HeadName

FORMAT_VERSION = 1

PatientRuleName = Literal["mean log-odds", "top-k mean", "noisy-or"]
"""How a patient's slices become one score; see `chest_cancer.network.patients`."""

_CURE = "Train the model again with this version of chest_cancer."


class Input(Block):
    """What the graph takes: a batch of pictures of any number."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    colour: str


class OperatingPoint(Block):
    """When an image reads as diseased: at and above this probability of disease, 0..1, and what it was chosen for.

    `AnswerRule` is what follows from it.
    """

    threshold: float
    target_sensitivity: float


class PatientArea(Block):
    """How well a rule tells validation patients apart: area under the ROC curve with its 95 % interval, 0..1."""

    rule: PatientRuleName
    roc_auc: float
    low: float
    high: float
    patients: int


class PatientPoint(Block):
    """How a patient's slices become one answer; `PatientRule` is what follows from it.

    Attributes:
        rule: Which rule scores patients.
        k: How many slices the rule `top-k mean` looks at.
        threshold: Log-odds from which on a patient reads as positive.
        target_sensitivity: Share of positive validation patients that it was chosen for, 0..1.
        reason: Why this rule was chosen.
        positive, negative: Numbers of validation patients.
        compared: What each rule gave on them.
    """

    rule: PatientRuleName
    k: int
    threshold: float
    target_sensitivity: float
    reason: str
    positive: int
    negative: int
    compared: tuple[PatientArea, ...]


class Limits(Block):
    """When the classifier declines to answer, and when it says no probability; `Doubt` is what follows from it.

    Attributes:
        distance_limit: An image that is further from the training images is called not a chest CT slice.
        usual_distance: The answer to an image that is further, but within that limit, has no probability; None for
            older classifiers, whose answers all have one.
        confidence_limit: An answer that is less probable is called not sure, 0..1.
        validation_images: Number of validation images that both were set on.
        validation_refused: Share of them beyond the distance limit, 0..1.
        validation_unusual: Share of them beyond the usual distance, 0..1; None where there is none.
        validation_unsure: Share of them below the confidence limit, 0..1.
    """

    distance_limit: float
    usual_distance: float | None = None
    confidence_limit: float
    validation_images: int
    validation_refused: float
    validation_unusual: float | None = None
    validation_unsure: float


class Validation(Block):
    """How well it did on the images that it was calibrated on: loss in nats; accuracy, were all answered, 0..1."""

    images: int
    loss: float
    accuracy: float


class ClassCounts(Block):
    """Images of a class, and how many of them differ in content."""

    images: int
    distinct: int


class DataSummary(Block):
    """Summary of the images of all splits.

    Attributes:
        location: Where they came from.
        kind: Kind of source, e.g. `phantom` or `google_drive`.
        synthetic: Whether they were drawn by this program.
        archive_sha256: SHA-256 of the archive that they came in, where there is one.
        digest: SHA-256 over their contents, classes and splits.
        files, readable, quarantined, images: Numbers of files; `images` are those that were used.
        distinct_by_content, distinct_by_pixels: Numbers of distinct files, by their bytes and by their pixels.
        patients: Number of patients; None where that of any image is not known.
        classes: Counts by class name.
    """

    location: str
    kind: str
    synthetic: bool
    archive_sha256: str | None
    digest: str
    files: int
    readable: int
    quarantined: int
    images: int
    distinct_by_content: int
    distinct_by_pixels: int
    patients: int | None = None
    classes: dict[str, ClassCounts]

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Self:
        """Take from what ingestion sums up what a manifest keeps: nothing that names files."""
        return cls.model_validate({name: value for name, value in summary.items() if name in cls.model_fields})


class Provenance(Block):
    """Which run and which code made a classifier; None where that is not known."""

    created: str
    code_version: str
    git_commit: str | None
    git_clean: bool | None
    mlflow_run_id: str | None


class Origin(Block):
    """The part of a manifest that is known before a head is trained; see `Manifest`."""

    classes: tuple[str, ...]
    slices_without_lung: bool
    standardisation: StandardisationParameters
    precision: Literal["bf16", "fp32"]
    splits: dict[str, int]
    split_digest: str
    data: DataSummary
    provenance: Provenance


class SelfTest(Block):
    """What the classifier said of the self-test's image when it was made: probabilities by class name."""

    probabilities: dict[str, float]


class Agreement(Block):
    """What the classifier says of the validation images in one precision.

    Attributes:
        precision: `fp32`, `bf16` or `int8`.
        images: Number of validation images.
        accuracy: Share of images that it would answer rightly, were all answered, 0..1.
        changed: Number of images with another answer than in fp32.
        cosine: Lowest cosine between an image's embedding and that in fp32.
        evidence_cosine: Lowest cosine between an image's evidence map and that in fp32.
    """

    precision: str
    images: int
    accuracy: float
    changed: int
    cosine: float
    evidence_cosine: float


class Int8Decision(Block):
    """Whether the int8 graph is served, why, and what it was made from and compared on."""

    kept: bool
    reason: str
    calibration_images: int
    compared: tuple[Agreement, ...]


class Manifest(Block):
    """What must be known of a classifier.

    Entries with a default are newer than the first classifiers: their manifests lack these, and the default is what
    held for them.

    Attributes:
        format_version: Version of this layout.
        classes: Class names, in the order of the graph's outputs.
        normal_class: The class without disease, or None.
        positive_classes: What sensitivity is about; None for all but the normal class.
        input: What the graph takes.
        preprocessing_version: Version of decoding and standardising.
        standardisation: What images go through first.
        slices_without_lung: Whether CT slices without lung were among the images, so that such are answered, too.
        head: Name of the head.
        head_reason: Why this head was chosen.
        kernel: Width and landmarks of a kernel head; None for another head.
        temperature: What the logits were divided by.
        operating_point: When an image reads as diseased; None without a normal class.
        answer_rule: Which class is the answer; see `AnswerRule`. Without an operating point both are the same.
        patient_rule: How a patient's slices become one answer; None where validation patients were not known.
        average_scores: Score of each class for the mean features of the training images, to which evidence adds; None
            where evidence is not counted from these.
        abstention: When no answer is given; None where every image is answered.
        precision: Precision of the training features, or `int8` where that graph is served.
        validation: How well it did on validation images.
        splits: Number of images in each split.
        split_digest: SHA-256 over which image is in which group and split.
        data: Summary of the images that it was trained and tested on.
        provenance: Which run and which code made it.
        self_test: What a self-test compares with; None where it can't be tested.
        int8: Whether int8 is served, and why; None where no int8 graph was made.
    """

    format_version: Literal[1]
    classes: tuple[str, ...]
    normal_class: str | None
    positive_classes: tuple[str, ...] | None = None
    input: Input
    preprocessing_version: int = 1
    standardisation: StandardisationParameters = StandardisationParameters(brightness="none", crop="none")
    slices_without_lung: bool = False
    head: HeadName
    head_reason: str | None = None
    kernel: KernelParameters | None = None
    temperature: float
    operating_point: OperatingPoint | None
    answer_rule: Literal["most probable class", "operating threshold"] = "most probable class"
    patient_rule: PatientPoint | None = None
    average_scores: tuple[float, ...] | None = None
    abstention: Limits | None = None
    precision: Literal["bf16", "fp32", "int8"]
    validation: Validation
    splits: dict[str, int]
    split_digest: str | None = None
    data: DataSummary
    provenance: Provenance
    self_test: SelfTest | None = None
    int8: Int8Decision | None = None

    @classmethod
    def read(cls, content: str | bytes) -> Self:
        """Read what `to_json` wrote, now or in an earlier version.

        Args:
            content: Content of the file `manifest.json`.

        Raises:
            ValueError: The manifest has another format, or an entry is missing, unknown or of another type.
        """
        facts = json.loads(content)
        version = facts.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"Invalid manifest: expected format_version {FORMAT_VERSION}. Received: {version}. {_CURE}"
            )
        try:
            return cls.model_validate(facts)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ValueError(
                f"Invalid manifest: `{name}`: {first['msg']}. Received: {first['input']}. {_CURE}"
            ) from error

    def to_json(self) -> str:
        """Write the content of `manifest.json`, without entries that were not set: what was read stays the same."""
        return json.dumps(self.model_dump(include=self.model_fields_set), indent=2, ensure_ascii=False) + "\n"
