"""The documentation names files and modules that exist."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chest_cancer import __version__
from conftest import PROJECT

DOCS = PROJECT / "docs"
PACKAGE = PROJECT / "src" / "chest_cancer"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]

QUOTED = re.compile(r"(?<!`)`([^`\s]+)`(?!`)")
PATH = re.compile(r"[\w.<>-]+(/[\w.<>-]+)*/?")
SOURCE_FILE = re.compile(r".*\.(py|html|md|toml|yml|yaml)")
MODULE = re.compile(r"(?:-m|from|import) ((?:app|benchmarks|chest_cancer)(?:\.[a-z_]\w*)*)")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)", re.MULTILINE)

MADE_LATER = ("build/", "conf/local/", "data/", "docs/_build/")
"""What runs and users make is not in a fresh checkout."""
MADE_IN_DATA = {"best_parameters.yml", "data_card.md", "data_report.html", "model_card.md", "plots.html", "report.html"}
"""Results, which pages name without their folder."""


def quoted_paths(text: str) -> Iterator[str]:
    """Find what is quoted and is a path: it ends like a source file, or begins with a folder of ours."""
    for quoted in QUOTED.findall(text):
        if not PATH.fullmatch(quoted) or quoted.startswith(MADE_LATER) or quoted in MADE_IN_DATA:
            continue
        first, _, rest = quoted.partition("/")
        is_in_a_folder = rest and ((PROJECT / first).is_dir() or (PACKAGE / first).is_dir())
        if is_in_a_folder or SOURCE_FILE.fullmatch(quoted):
            yield quoted


def exists(path: str) -> bool:
    """Look in the project and in the package; `<name>` stands for any name, a bare name is anywhere in the package."""
    pattern = re.sub(r"<[^>]*>", "*", path).rstrip("/")
    if any(any(folder.glob(pattern)) for folder in (PROJECT, PACKAGE)):
        return True
    return "/" not in pattern and any(PACKAGE.rglob(pattern))


def is_module(name: str) -> bool:
    files = (root / name.replace(".", "/") for root in (PROJECT, PROJECT / "src"))
    return any(file.with_suffix(".py").is_file() or (file / "__init__.py").is_file() for file in files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_on_a_page_exists(page: Path) -> None:
    missing = [path for path in quoted_paths(page.read_text()) if not exists(path)]

    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_on_a_page_exists(page: Path) -> None:
    missing = [name for name in MODULE.findall(page.read_text()) if not is_module(name)]

    assert not missing


def anchors(page: Path) -> set[str]:
    """The names of the headings of a page, as GitHub and MyST make them."""
    headings = HEADING.findall(re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text()):
        target = page.parent / file if file else page

        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_placeholder_vanishes_as_html(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```|^ {4}.*?$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)

    assert not re.findall(r"<\w+>", re.sub(r"(`+).*?\1", "", text, flags=re.DOTALL))


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"^[a-z-]+$", (DOCS / "index.md").read_text(), re.MULTILINE))

    assert listed == {page.stem for page in DOCS.glob("*.md")} - {"index"}


@pytest.fixture(scope="module")
def texts_of_the_code() -> list[str]:
    """Every text in `src` and `app`; what is filled in is `…`."""
    trees = [ast.parse(file.read_text()) for room in ("src", "app") for file in (PROJECT / room).rglob("*.py")]
    return [text for tree in trees for node in ast.walk(tree) if (text := text_of(node))]


def text_of(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) or "…" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return "".join(text_of(part) or "…" for part in (left, right))
    return None


def is_said(message: str, texts: list[str]) -> bool:
    """Look whether a text of the code has the parts of a message between its dots, in their order."""
    parts = [re.escape(part.strip()) for part in message.split("…") if len(part.strip()) > 2]
    pattern = re.compile(".*".join(parts), re.DOTALL)
    return any(pattern.search(text) for text in texts)


ERRORS = re.findall(r"^\| ``(.*?)`` \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)


def test_troubleshooting_has_messages() -> None:
    assert len(ERRORS) > 30


@pytest.mark.parametrize("message", ERRORS)
def test_every_message_that_troubleshooting_explains_is_in_the_code(message: str, texts_of_the_code: list[str]) -> None:
    assert is_said(message, texts_of_the_code)


def test_a_message_that_the_code_does_not_have_is_found(texts_of_the_code: list[str]) -> None:
    assert not is_said("Invalid value received for `data_ingestion.source`. Expected a pineapple", texts_of_the_code)


def test_every_room_is_in_the_change_guide() -> None:
    guide = (PROJECT / "docs" / "change-guide.md").read_text()
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}

    assert not [room for room in rooms if f"`{room}/`" not in guide]


@pytest.mark.parametrize("gone", ["`imaging/gone.py`", "`components/trainer.py`", "`docs/gone.md`", "`nodez.py`"])
def test_a_path_that_does_not_exist_is_found(gone: str) -> None:
    assert [exists(path) for path in quoted_paths(gone)] == [False]


def test_what_is_made_from_the_code_is_as_the_code_says() -> None:
    specification = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert specification
    assert specification.loader
    generate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generate)

    # `python docs/generate.py` writes them anew.
    assert {name: make() for name, make in generate.MADE.items()} == {
        name: (DOCS / name).read_text() for name in generate.MADE
    }


def test_every_parameter_says_what_it_means() -> None:
    rows = re.findall(r"^\| `(\S+)` \|.* \| ([^|]*)\|$", (DOCS / "parameters.md").read_text(), re.MULTILINE)

    assert len(rows) > 80
    assert not [name for name, meaning in rows if not meaning.strip()]


def test_the_citation_names_the_version() -> None:
    assert f"version: {__version__}\n" in (PROJECT / "CITATION.cff").read_text()
