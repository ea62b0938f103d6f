"""An ONNX graph in one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from chest_cancer.storage.atomic import replace_file
from chest_cancer.storage.recipe import Recipe, follow

if TYPE_CHECKING:
    import onnx


class OnnxModelDataset(AbstractDataset["onnx.ModelProto | Recipe[onnx.ModelProto]", "onnx.ModelProto"]):
    """An ONNX graph, or a recipe for one, which is made unless it is there.

    `onnx` is imported when it is loaded, not when the catalog is read.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> "onnx.ModelProto":
        import onnx

        return onnx.load(self._filepath)

    def save(self, data: "onnx.ModelProto | Recipe[onnx.ModelProto]") -> None:
        if isinstance(data, Recipe):
            follow(data, self._filepath, self.save)
            return
        with replace_file(self._filepath) as temporary:
            temporary.write_bytes(data.SerializeToString())

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
