"""Folders that are kept have their names only once they are complete."""

from pathlib import Path

import pytest

from chest_cancer.storage.kept_folders import KeptFolders


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_gets_its_name_once_it_is_complete(tmp_path: Path) -> None:
    kept = KeptFolders(tmp_path / "downloads")

    with kept.locked(), kept.making("one") as folder:
        (folder / "file").write_text("whole")
        assert not (kept.path / "one").exists()

    assert names(kept.path) == [".lock", "one"]
    assert (kept.path / "one" / "file").read_text() == "whole"


def test_what_an_ended_run_left_unfinished_is_removed_and_what_is_complete_stays(tmp_path: Path) -> None:
    kept = KeptFolders(tmp_path)
    with kept.locked():
        with kept.making("whole"):
            pass
        with pytest.raises(FileNotFoundError), kept.making("half") as folder:
            (folder / "missing").read_text()

    with kept.locked():
        assert names(tmp_path) == [".lock", "whole"]
        kept.remove("whole")

    assert names(tmp_path) == [".lock"]
