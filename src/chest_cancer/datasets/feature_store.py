"""The store of what the frozen base has computed, as a catalog entry."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.storage.feature_store import FeatureStore


class FeatureStoreDataset(AbstractDataset[FeatureStore, FeatureStore]):
    """The feature store. Loading opens it without reading; a run can compute again all that it holds."""

    def __init__(self, *, filepath: str, keep_days: int = 30, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder.

        Args:
            filepath: The folder; made if it is missing.
            keep_days: See `FeatureStore`.
            metadata: For other tools; not used here.
        """
        self._filepath = Path(filepath)
        self._keep_days = keep_days
        self.metadata = metadata

    def load(self) -> FeatureStore:
        return FeatureStore(self._filepath, self._keep_days)

    def save(self, data: FeatureStore) -> None:
        raise DatasetError("The feature store fills itself and can't be saved: expected no node with it as output.")

    def _exists(self) -> bool:
        return True  # an empty store is a store

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "keep_days": self._keep_days}
