"""Where results come from, as a catalog entry."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.record.provenance import read_provenance


class ProvenanceDataset(AbstractDataset[NoReturn, dict[str, Any]]):
    """Code version, git commit, MLflow run and time of the run that loads this entry. It can't be saved."""

    def __init__(self, *, project_path: str = ".", metadata: dict[str, Any] | None = None) -> None:
        self._project_path = Path(project_path)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        return read_provenance(self._project_path)

    def save(self, data: NoReturn) -> None:
        raise DatasetError("Provenance is read from the environment of the run and can't be saved.")

    def _describe(self) -> dict[str, Any]:
        return {"project_path": self._project_path}
