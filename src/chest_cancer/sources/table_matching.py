"""Finding the file that a table means by a bare name, or by a path of another computer."""

import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import unquote

from chest_cancer.sources.foreign import without_image_suffix

# Stands for more than one file: no file is called so.
_SEVERAL = "/"


@dataclass(frozen=True)
class Match:
    """What a written path means.

    Attributes:
        path: The file; None where it is none, or one of several.
        doubts: How many things are not as written: the folders, the suffix.
        shared: The end of the path that several files have, where it may be any of them.
    """

    path: str | None = None
    doubts: int = 0
    shared: str | None = None


class FileFinder:
    """The files of a source, to be found by what a table calls them.

    First by the path as it is, then in any case, then by the longest end of it that a file has, then without the
    suffix of a format of images, and last with `%20` and the like taken for what they stand for.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._exact = {unicodedata.normalize("NFC", path): path for path in paths}
        self._folders = frozenset(folder for path in self._exact for folder in path.casefold().split("/")[:-1])

    # Only where paths are not as they are: most tables need neither.
    @cached_property
    def _names(self) -> "_Ends":
        return _Ends((path.casefold(), path) for path in self._exact)

    @cached_property
    def _bare_names(self) -> "_Ends":
        return _Ends((without_image_suffix(path.casefold()), path) for path in self._exact)

    def find(self, written: str) -> Match:
        """Find the file that a path means.

        Args:
            written: The path as the table has it: relative, absolute or a bare name, of any system.

        Returns:
            The file, or that it is none or one of several.
        """
        as_it_is = unicodedata.normalize("NFC", written)
        path = _tidy(as_it_is)
        if file := self._exact.get(as_it_is) or self._exact.get(path):
            return Match(file)
        match = self._find_by_end(path.casefold())
        if match is None and "%" in path:
            match = self._find_by_end(_tidy(unquote(path)).casefold())
        return match or Match()

    def sharing(self, ends: set[str]) -> list[str]:
        """List the files of which a path had only an end that several share.

        Args:
            ends: The `shared` of matches.

        Returns:
            The files that have one of these ends.
        """
        return [
            path
            for name, path in self._exact.items()
            if not ends.isdisjoint((*_ends(name.casefold()), *_ends(without_image_suffix(name.casefold()))))
        ]

    def _find_by_end(self, name: str) -> Match | None:
        match = self._among(self._names, name) or self._among(self._bare_names, name)
        bare_name = without_image_suffix(name)
        if match is None and bare_name != name:
            match = self._among(self._bare_names, bare_name)
            return match and replace(match, doubts=match.doubts + 1)
        return match

    def _among(self, files: "_Ends", name: str) -> Match | None:
        found = files.find(name)
        if found is None:
            return None
        file, end = found
        if file == _SEVERAL:
            return Match(shared=end)
        if end == name or end in files.whole:
            return Match(self._exact[file])
        return Match(self._exact[file], doubts=1) if self._may_have_moved(name.removesuffix(end), file) else None

    def _may_have_moved(self, folders: str, file: str) -> bool:
        """Whether the source has none of the folders elsewhere: `benign/1.png` is gone, not `malignant/1.png`."""
        return self._folders.intersection(folders.split("/")).issubset(file.casefold().split("/"))


class FolderFinder:
    """Folders of a source, to be found like files: a folder of a series, or what a file of a volume has become."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._files: dict[str, list[str]] = {}
        for path in paths:
            folder = path.rpartition("/")[0]
            while folder:
                self._files.setdefault(folder, []).append(path)
                folder = folder.rpartition("/")[0]
        self._finder = FileFinder(list(self._files))

    def find(self, written: str) -> Match:
        """Find the folder that a path means; a file that is gone is no folder of its name without the suffix."""
        match = self._finder.find(written)
        is_file = without_image_suffix(written) != written
        if match.path and is_file and without_image_suffix(match.path) == match.path:
            return Match()
        return match

    def files_of(self, path: str) -> list[str]:
        """List the files below a folder; of a file itself."""
        return self._files.get(path, [path])


class _Ends:
    """Files by their whole name, and by what remains of it without the first folders."""

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self.whole: dict[str, str] = {}
        self._by_end: dict[str, str] = {}
        for name, file in names:
            self.whole[name] = _SEVERAL if name in self.whole else file
            for end in _ends(name):
                self._by_end[end] = _SEVERAL if end in self._by_end else file

    def find(self, name: str) -> tuple[str, str] | None:
        """Find the file, or that there are several, by the longest end that is known, and return that end too."""
        for end in _ends(name):
            # What is a whole name is no end of a longer one: the folders before it are those of another computer.
            if file := self.whole.get(end, self._by_end.get(end)):
                return file, end
        return None


def _tidy(path: str) -> str:
    """A path with `/`, and without what leads nowhere: `./`, `../` in front, doubled slashes."""
    return posixpath.normpath(path.replace("\\", "/")).lstrip("./") or path


def _ends(name: str) -> Iterator[str]:
    slash = "/"
    while slash:
        yield name
        _, slash, name = name.partition("/")
