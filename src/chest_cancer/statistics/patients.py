"""Whether it is known which images are of one patient."""

import pandas as pd

from chest_cancer.storage.figures import KNOWN, UNKNOWN


def patients_in(split_table: pd.DataFrame) -> str:
    """Say whether the patient of every image is known.

    Args:
        split_table: A row per image; a column `patient`, where there is one, is missing where the patient is unknown.

    Returns:
        `known` or `unknown`.
    """
    return KNOWN if "patient" in split_table and split_table["patient"].notna().all() else UNKNOWN
