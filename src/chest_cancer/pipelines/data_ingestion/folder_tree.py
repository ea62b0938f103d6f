"""The folders of a source, and how many files lie in each."""

from collections import Counter
from collections.abc import Callable, Iterable

_SHOWN_FOLDERS = 6


class FolderTree:
    """Folders by their parent; the top is the empty path."""

    def __init__(self, paths: Iterable[str], folders: Iterable[str]) -> None:
        """Take all files and all folders, empty ones too: relative, with `/`."""
        self._paths = tuple(paths)
        self._files = Counter(path.rpartition("/")[0] for path in self._paths)
        self._folders = {*folders}
        for folder in list(self._files):
            while folder:
                self._folders.add(folder)
                folder = folder.rpartition("/")[0]
        self._children: dict[str, list[str]] = {}
        for folder in sorted(self._folders):
            self._children.setdefault(folder.rpartition("/")[0], []).append(folder)
        self._below: Counter[str] = Counter()
        for folder, files in self._files.items():
            for above in _and_above(folder):
                self._below[above] += files

    def children(self, folder: str) -> list[str]:
        """Folders that lie directly in a folder, sorted."""
        return self._children.get(folder, [])

    def below(self, folder: str) -> list[str]:
        """Folders at any depth below a folder."""
        found = list(self.children(folder))
        for child in found:
            found += self.children(child)
        return found

    def files_in(self, folder: str) -> int:
        """Number of files that lie directly in a folder."""
        return self._files[folder]

    def files_below(self, folder: str) -> int:
        """Number of files in a folder at any depth."""
        return self._below[folder]

    def without(self, is_left_out: Callable[[str], bool]) -> tuple["FolderTree", list[str]]:
        """Take folders out, with all that is in them.

        Args:
            is_left_out: Tells from a folder's path.

        Returns:
            What remains, and the folders that were taken out, none inside another.
        """
        found: list[str] = []
        waiting = [""]
        while waiting:
            for child in self.children(waiting.pop()):
                (found if is_left_out(child) else waiting).append(child)
        gone = set(found)
        if not gone:
            return self, []
        remaining = [path for path in self._paths if gone.isdisjoint(_and_above(path.rpartition("/")[0]))]
        folders = [folder for folder in self._folders if gone.isdisjoint(_and_above(folder))]
        return FolderTree(remaining, folders), sorted(found)

    def show(self, top: str = "", depth: int = 2) -> str:
        """Draw the first folders below `top`, each with its number of files."""
        return "\n".join(self._lines(top, depth, "  "))

    def _lines(self, folder: str, depth: int, indent: str) -> list[str]:
        lines = []
        children = self.children(folder) if depth else []
        for child in children[:_SHOWN_FOLDERS]:
            files = self.files_below(child)
            lines.append(f"{indent}{child.rpartition('/')[2]}/  {files} file{'' if files == 1 else 's'}")
            lines += self._lines(child, depth - 1, f"{indent}  ")
        if len(children) > _SHOWN_FOLDERS:
            lines.append(f"{indent}… and {len(children) - _SHOWN_FOLDERS} more folders")
        return lines


def _and_above(folder: str) -> list[str]:
    found = [folder]
    while folder:
        folder = folder.rpartition("/")[0]
        found.append(folder)
    return found
