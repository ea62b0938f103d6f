"""The champion of MLflow's model registry as a catalog entry."""

from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.network.classifier import Classifier
from chest_cancer.record.champion import Champions
from chest_cancer.record.kept_champion import KeptChampion
from chest_cancer.record.tracking import prepare_mlflow


class RegisteredClassifierDataset(AbstractDataset[NoReturn, Classifier]):
    """The classifier that is champion in the registry, kept in a folder until another becomes champion.

    Attributes:
        folder: Where its files are kept.
    """

    def __init__(self, *, filepath: str, precision: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.folder = Path(filepath)
        self._kept = KeptChampion(self.folder)
        self._precision = precision
        self.metadata = metadata

    def load(self) -> Classifier:
        """Load the champion, fetched unless it is here already. If the server fails, the one that is here is used.

        Raises:
            DatasetError: There is no champion, or the registry can't be used.
        """
        prepare_mlflow()  # the web server has no settings.py that does it
        from mlflow.exceptions import MlflowException

        try:
            return self._kept.to_serve(self._precision)
        except (OSError, ValueError, MlflowException) as error:
            raise DatasetError(f"The champion of the model registry can't be loaded: {error}") from error

    def save(self, data: NoReturn) -> None:
        raise DatasetError("A champion is made by the gate at the end of `kedro run`, not saved.")

    def _exists(self) -> bool:
        return True  # it is fetched when it is loaded

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.folder, "precision": self._precision}


class ChampionDataset(RegisteredClassifierDataset):
    """The same, for comparing: a line may have none yet, and a registry that does not answer stops no run."""

    def load(self) -> Champions:  # type: ignore[override]  # what a run compares with, where a server wants to serve
        """Give what asks for the champion of a line: which line, only the run knows."""
        return partial(self._kept.to_compare_with, precision=self._precision)
