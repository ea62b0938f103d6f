"""An ONNX graph in one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from chest_cancer.storage.atomic import replace_file

if TYPE_CHECKING:
    import onnx


class OnnxModelDataset(AbstractDataset["onnx.ModelProto", "onnx.ModelProto"]):
    """An ONNX graph. `onnx` is imported when it is loaded, not when the catalog is read."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> "onnx.ModelProto":
        import onnx

        return onnx.load(self._filepath)

    def save(self, data: "onnx.ModelProto") -> None:
        with replace_file(self._filepath) as temporary:
            temporary.write_bytes(data.SerializeToString())

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
