"""Pages, as kedro-viz previews them."""

import inspect
from pathlib import Path

from chest_cancer.datasets.page import PageDataset


def test_of_a_page_its_words_and_pictures_are_shown_without_scripts_and_styles(tmp_path: Path) -> None:
    page = PageDataset(filepath=str(tmp_path / "report.html"))
    page.save(
        "<html><head><style>p{}</style></head><body><h1>Title</h1><p>Words</p><span>a</span><b>0.9</b>"
        '<script>"</p>"</script><img src="data:image/png;base64,AA=="></body></html>'
    )

    shown = page.preview()

    assert "<h1>Title</h1> <p>Words</p> <span>a</span> <b>0.9</b>" in shown
    assert '<img src="data:image/png;base64,AA==">' in shown
    assert "The plots are in report.html." in shown
    assert "script" not in shown
    assert "p{}" not in shown


def test_other_text_is_shown_as_it_is(tmp_path: Path) -> None:
    card = PageDataset(filepath=str(tmp_path / "card.md"))
    card.save("# Card\n\n1 < 2")

    assert "# Card\n\n1 &lt; 2" in card.preview()


def test_kedro_viz_takes_it_for_html() -> None:
    assert inspect.signature(PageDataset.preview).return_annotation.__name__ == "HTMLPreview"
