"""The audits, the gravest first: a new one takes a folder and a line here."""

from chest_cancer.audits.audit import Audit
from chest_cancer.audits.black_lungs.audit import BLACK_LUNGS
from chest_cancer.audits.decision_curve.audit import DECISION_CURVE
from chest_cancer.audits.deletion.audit import DELETION
from chest_cancer.audits.duplicates.audit import DUPLICATES
from chest_cancer.audits.evidence.audit import EVIDENCE
from chest_cancer.audits.identity.audit import IDENTITY
from chest_cancer.audits.leakage.audit import LEAKAGE
from chest_cancer.audits.metadata.audit import METADATA
from chest_cancer.audits.prediction_sets.audit import PREDICTION_SETS
from chest_cancer.audits.refusal.audit import REFUSAL
from chest_cancer.audits.robustness.audit import ROBUSTNESS
from chest_cancer.audits.shortcuts.audit import SHORTCUTS
from chest_cancer.audits.subgroups.audit import SUBGROUPS
from chest_cancer.audits.suspects.audit import SUSPECTS

AUDITS: tuple[Audit, ...] = (
    SHORTCUTS,
    BLACK_LUNGS,
    METADATA,
    IDENTITY,
    LEAKAGE,
    DELETION,
    DUPLICATES,
    SUSPECTS,
    SUBGROUPS,
    DECISION_CURVE,
    PREDICTION_SETS,
    REFUSAL,
    EVIDENCE,
    ROBUSTNESS,
)
DATA_AUDITS = tuple(audit for audit in AUDITS if audit.subject == "data")
MODEL_AUDITS = tuple(audit for audit in AUDITS if audit.subject == "model")
