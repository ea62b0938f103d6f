"""A Keras model in one `.keras` file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from chest_cancer.storage.atomic import replace_file
from chest_cancer.storage.recipe import Recipe, follow

if TYPE_CHECKING:
    import keras


class KerasModelDataset(AbstractDataset["keras.Model | Recipe[keras.Model]", "keras.Model"]):
    """A Keras model, loaded in safe mode; what is saved may be a recipe for one, which is made unless it is there.

    kedro-datasets has `TensorFlowModelDataset`, but its module imports TensorFlow, which costs every run five seconds.
    This one imports Keras when a model is loaded.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> "keras.Model":
        import keras

        from chest_cancer.network.winograd import WinogradConv2D

        return keras.saving.load_model(self._filepath, custom_objects={"WinogradConv2D": WinogradConv2D})

    def save(self, data: "keras.Model | Recipe[keras.Model]") -> None:
        if isinstance(data, Recipe):
            follow(data, self._filepath, self.save)
            return
        with replace_file(self._filepath) as temporary:
            data.save(temporary)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
