"""The key of patients' hashes."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.secret_key import SecretKeyDataset


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "conf" / "local" / "patient_key"

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: SecretKeyDataset(filepath=str(file)).load(), range(16)))

    (key,) = keys
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["patient_key"]
    assert SecretKeyDataset(filepath=str(tmp_path / "other")).load() != key


@pytest.mark.parametrize("content", ["", "no key", "abcd"])
def test_a_file_that_holds_no_key_is_named_and_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "patient_key"
    file.write_text(content)

    with pytest.raises(
        DatasetError, match=rf"{re.escape(str(file))} holds no key: expected 64 .* Received: {len(content)}"
    ):
        SecretKeyDataset(filepath=str(file)).load()

    assert file.read_text() == content


def test_a_key_can_not_be_saved(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is made once and can't be saved"):
        SecretKeyDataset(filepath=str(tmp_path / "patient_key")).save(bytes(32))


def test_where_no_key_can_be_made_the_cure_is_said(tmp_path: Path) -> None:
    (tmp_path / "local").write_text("a file, where the folder would be")

    with pytest.raises(DatasetError, match=r"patients' hashes, can't be read or made: .* Expected a folder"):
        SecretKeyDataset(filepath=str(tmp_path / "local" / "patient_key")).load()
