"""What is there, made from the same, is not made again."""

from pathlib import Path

import pytest

from chest_cancer.storage.recipe import Recipe, follow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models" / "made.txt"


def made(path: Path, *contents: str, weights: str = "a") -> list[str]:
    """Follow recipes that give these contents, one after the other; which of them were made."""
    done: list[str] = []

    def make(content: str) -> str:
        done.append(content)
        return content

    def save(content: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)

    for content in contents:
        follow(Recipe({"weights": weights}, lambda content=content: make(content)), path, save)
    return done


def test_it_is_made_once(path: Path) -> None:
    assert made(path, "first", "second") == ["first"]
    assert path.read_text() == "first"


def test_from_something_else_it_is_made_anew(path: Path) -> None:
    assert made(path, "first") == ["first"]
    assert made(path, "second", weights="b") == ["second"]
    assert path.read_text() == "second"


@pytest.mark.parametrize("how", ["file changed", "file gone", "note gone", "note damaged"])
def test_what_is_not_as_it_was_made_is_made_anew(path: Path, how: str) -> None:
    made(path, "first")
    note = path.with_name(".made.txt.json")
    match how:
        case "file changed":
            path.write_text("firsT")
        case "file gone":
            path.unlink()
        case "note gone":
            note.unlink()
        case "note damaged":
            note.write_text(note.read_text()[:20])

    assert made(path, "second", "third") == ["second"]
    assert path.read_text() == "second"


def test_one_that_was_not_saved_is_made_again(path: Path) -> None:
    def fail(content: str) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        follow(Recipe({"weights": "a"}, lambda: "first"), path, fail)

    assert made(path, "second") == ["second"]
