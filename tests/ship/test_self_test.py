"""The self-test of a deployment: which answers make sense."""

from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from conftest import PROJECT

_SPEC = spec_from_file_location("self_test", PROJECT / "deploy" / "self_test.py")
self_test = module_from_spec(_SPEC)
_SPEC.loader.exec_module(self_test)

ANSWER: dict[str, Any] = {"label": "normal", "reason": None, "probabilities": {"normal": 0.75, "tumour": 0.25}}


def test_an_answer_is_its_label_and_none_is_its_reason() -> None:
    assert self_test.check_answer([ANSWER]) == "normal"
    # A model that declines the sample is no reason to call a deployment back.
    assert self_test.check_answer([ANSWER | {"label": None, "reason": "not sure"}]) == "not sure"


@pytest.mark.parametrize("changes", [{"label": None}, {"label": "other"}, {"probabilities": {"normal": 0.5}}])
def test_an_answer_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected probabilities of each label that add up to 1"):
        self_test.check_answer([ANSWER | changes])
