"""What belongs together, and what is said where it does not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chest_cancer.storage.lineage import Ledger, Lineage, MixedResultsError, require_together

INDEX = Lineage("i1", {"images": "s1"}, "ingestion")
TABLE = Lineage("t1", {"images": "s1", "index": "i1"}, "extraction")
MODEL = Lineage("m1", {"images": "s1", "index": "i1", "table": "t1"}, "training")
KNOWN = {"index": INDEX, "table": TABLE, "model": MODEL}


def test_results_of_one_source_are_used_together() -> None:
    together = require_together({"images": Lineage("s1"), "table": TABLE, "model": MODEL}, KNOWN)

    assert together == {"images": "s1", "index": "i1", "table": "t1", "model": "m1"}


def test_results_of_another_source_are_refused_with_all_that_must_be_made_anew() -> None:
    expected = (
        r"`table` was made from another `images` \(s1\) than the one that is used now \(s2\): results of both would be "
        r"mixed\. Make it again: `kedro run --pipelines extraction,ingestion`, or run everything: `kedro run`\."
    )
    with pytest.raises(MixedResultsError, match=expected):
        require_together({"images": Lineage("s2"), "table": TABLE}, KNOWN)


def test_of_two_results_the_one_is_named_that_does_not_agree_with_what_is_there() -> None:
    new = Lineage("f2", {"index": "i2"}, "extraction")
    known = KNOWN | {"index": Lineage("i2", {"images": "s2"}, "ingestion")}

    for parts in ({"features": new, "model": MODEL}, {"model": MODEL, "features": new}):
        with pytest.raises(MixedResultsError, match=r"`model` was made from another `index` \(i1\) .* \(i2\)"):
            require_together(parts, known)


def test_a_result_of_unknown_origin_is_used_alone_and_with_no_other() -> None:
    unknown = Lineage("x", pipeline=None)

    assert require_together({"model": unknown}, KNOWN) == {"model": "x"}
    with pytest.raises(MixedResultsError, match=r"Nobody knows what `model` was made from.*--pipelines training`"):
        require_together({"model": unknown, "table": TABLE}, KNOWN)
    with pytest.raises(MixedResultsError, match="Make it again: run everything: `kedro run`"):
        require_together({"other": unknown, "table": TABLE}, KNOWN)


def test_what_was_never_stored_stands_for_what_it_was_made_from() -> None:
    origin = Lineage(None, {"table": "t2"}, "training")

    with pytest.raises(MixedResultsError, match=r"`origin` was made from another `table` \(t2\)"):
        require_together({"table": TABLE, "origin": origin}, KNOWN)


def test_the_ledger_keeps_a_file_for_each_pipeline_that_is_the_same_for_the_same_results(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "lineage")
    for name, lineage in [*KNOWN.items(), ("other", Lineage("o", {}, "training"))]:
        ledger.write(name, lineage)
    before = {path.name: path.read_bytes() for path in (tmp_path / "lineage").iterdir()}
    ledger.write("model", MODEL)

    assert sorted(before) == ["extraction.json", "ingestion.json", "training.json"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "lineage").iterdir()} == before
    assert Ledger(tmp_path / "lineage").read() == KNOWN | {"other": Lineage("o", {}, "training")}


def test_a_digest_is_of_the_content_of_a_file_or_of_a_folder(tmp_path: Path) -> None:
    ledger, folder = Ledger(tmp_path / "lineage"), tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a").write_text("one")
    before = ledger.digest(folder)

    (folder / "inner" / "a").write_text("two")

    assert ledger.digest(folder) != before
    (folder / "inner" / "a").write_text("one")
    assert Ledger(tmp_path / "other").digest(folder) == before == ledger.digest(folder)
    assert ledger.digest(folder / "inner" / "a") != before


def test_of_what_runs_note_at_the_same_time_nothing_is_lost(tmp_path: Path) -> None:
    names = {f"part {number}" for number in range(40)}
    with ThreadPoolExecutor(8) as pool:
        # A ledger each, as every run has its own.
        list(pool.map(lambda name: Ledger(tmp_path / "lineage").write(name, Lineage("d", pipeline="batch")), names))

    assert set(Ledger(tmp_path / "lineage").read()) == names
