"""The audits, the gravest first: a new one takes a folder and an entry here.

Names alone: what an audit runs is `audit_<name>` in `audits/<name>/audit.py`, imported when it runs.
"""

from chest_cancer.audits.audit import Audit
from chest_cancer.audits.duplicates.columns import GROUP_COLUMNS
from chest_cancer.audits.suspects.columns import COLUMNS as SUSPECT_COLUMNS

AUDITS: tuple[Audit, ...] = (
    Audit(
        name="shortcuts",
        title="Shortcuts: what can be scored without anatomy",
        subject="data",
        inputs=("audit_sample", "audit_looks"),
        plots=("shortcuts",),
    ),
    Audit(
        name="regions",
        title="Regions: where the information is",
        subject="data",
        inputs=("raw_images", "split_table", "frozen_base", "feature_store", "params:feature_extraction"),
        plots=("regions",),
        switch="regions",
    ),
    Audit(
        name="black_lungs",
        title="Black lungs: what a window cuts off",
        subject="data",
        inputs=("audit_sample", "audit_looks"),
    ),
    Audit(
        name="metadata",
        title="Metadata: what else the classes differ in",
        subject="data",
        inputs=("audit_sample", "image_metadata"),
    ),
    Audit(
        name="identity",
        title="Identity: how much of the score is knowing the patient",
        subject="data",
        inputs=("audit_sample", "audit_looks"),
    ),
    Audit(
        name="leakage",
        title="Leakage: how much of the score is memory",
        subject="data",
        inputs=("audit_sample", "data_summary", "params:feature_extraction"),
        plots=("leakage",),
    ),
    Audit(
        name="deletion",
        title="Deletion: what near-duplicates are worth",
        subject="data",
        inputs=("audit_sample",),
        plots=("deletion",),
    ),
    Audit(
        name="duplicates",
        title="Duplicates",
        subject="data",
        inputs=("raw_images", "split_table", "features", "quarantine"),
        tables={"duplicate_groups": GROUP_COLUMNS},
    ),
    Audit(
        name="suspects",
        title="Suspects: images to look at",
        subject="data",
        inputs=("raw_images", "split_table", "audit_sample"),
        plots=("suspects",),
        tables={"suspects": SUSPECT_COLUMNS},
    ),
    Audit(
        name="subgroups",
        title="Subgroups: for whom the figures do not hold",
        subject="model",
        inputs=("test_predictions", "image_metadata", "classifier"),
        plots=("subgroups",),
    ),
    Audit(
        name="decision_curve",
        title="Decisions: what acting on the classifier is worth",
        subject="model",
        inputs=("test_predictions", "classifier"),
        plots=("decision_curve",),
    ),
    Audit(
        name="prediction_sets",
        title="Prediction sets: what can't be ruled out",
        subject="model",
        inputs=("validation_predictions", "test_predictions", "classifier"),
        plots=("prediction_sets",),
    ),
    Audit(
        name="refusal",
        title="Abstention: what is unlike the training images",
        subject="model",
        inputs=("test_predictions", "metrics", "classifier", "raw_images"),
        plots=("refusal", "refusal_trade"),
    ),
    Audit(
        name="evidence",
        title="Evidence maps: does the map show what counted",
        subject="model",
        inputs=("raw_images", "test_predictions", "test_evidence", "classifier"),
        plots=("deletion",),
    ),
    Audit(
        name="robustness",
        title="Robustness: what changes answers",
        subject="model",
        inputs=("raw_images", "test_predictions", "classifier"),
        plots=("robustness",),
    ),
)
DATA_AUDITS = tuple(audit for audit in AUDITS if audit.subject == "data")
MODEL_AUDITS = tuple(audit for audit in AUDITS if audit.subject == "model")
