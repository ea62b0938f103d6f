"""The trained models of a project as a catalog entry."""

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.record.trained_models import TrainedModels
from chest_cancer.storage.project import project_path


class TrainedModelsDataset(AbstractDataset[NoReturn, TrainedModels]):
    """What is served and what was trained last, each with its own figures and images, so far as these are here.

    Loading gives what is called with the name of one of them: which one, only the run knows.
    """

    def __init__(
        self, *, places: dict[str, str], from_registry: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the places.

        Args:
            places: Paths from the project's folder on, by the names that `TrainedModels` gives them.
            from_registry: Whether what is served is fetched from the model registry first.
            metadata: For other tools; not used here.
        """
        paths = {name: project_path() / path for name, path in places.items()}
        self._models = TrainedModels(**paths, from_registry=from_registry)
        self.metadata = metadata

    def load(self) -> TrainedModels:
        return self._models

    def save(self, data: NoReturn) -> None:
        raise DatasetError("Models are trained by `kedro run`, not saved here.")

    def _exists(self) -> bool:
        return True  # what is missing is said when it is asked for

    def _describe(self) -> dict[str, Any]:
        return {"served": self._models.served, "from_registry": self._models.from_registry}
