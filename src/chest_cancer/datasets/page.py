"""A page for people, HTML or plain text, shown in the graph of the pipelines."""

import re
from html import escape
from pathlib import PurePath

from kedro_datasets._typing import HTMLPreview  # type: ignore[import-untyped]  # kedro-datasets ships no types
from kedro_datasets.text import TextDataset  # type: ignore[import-untyped]  # nor this part of it

_HTML = ".html"
_NARROW = "max-width: 26rem"
"""As wide as the panel beside the graph: kedro-viz cuts off what is wider."""
_NOT_SHOWN = re.compile(r"<(script|style|svg|nav)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)


class PageDataset(TextDataset):  # type: ignore[misc]  # without types it is Any
    """A page in a file. kedro-viz previews its words and pictures: it runs no script, and so draws no plot."""

    def preview(self) -> HTMLPreview:
        """Return the words and pictures as HTML; Markdown and plain text as they are."""
        text, path = self.load(), PurePath(self._get_load_path())
        if path.suffix != _HTML:
            return HTMLPreview(f'<p style="{_NARROW}; white-space: pre-wrap">{escape(text)}</p>')
        words = _NOT_SHOWN.sub("", text[max(text.find("<body"), 0) :])
        # Without the page's style, neighbours would be written as one word.
        words = words.replace("><", "> <")
        return HTMLPreview(f'<div style="{_NARROW}"><p>The plots are in {escape(path.name)}.</p>{words}</div>')
