"""A picture in one file, shown in the graph of the pipelines."""

import base64

from kedro_datasets._typing import ImagePreview  # type: ignore[import-untyped]  # kedro-datasets ships no types
from kedro_datasets.pillow import ImageDataset  # type: ignore[import-untyped]  # nor this part of it


class PictureDataset(ImageDataset):  # type: ignore[misc]  # without types it is Any
    """A Pillow image; kedro-viz previews it."""

    def preview(self) -> ImagePreview:
        """Return the file in base64, which is what kedro-viz takes."""
        with self._fs.open(self._get_load_path(), "rb") as file:
            return ImagePreview(base64.b64encode(file.read()).decode())
