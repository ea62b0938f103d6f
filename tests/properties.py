"""How many examples a property test tries whose examples take long."""

from typing import Any

from hypothesis import settings

THOROUGH = "thorough"
"""The profile with many: `PYTEST_ADDOPTS=--hypothesis-profile=thorough make test`, which GitHub runs every week."""


def examples(few: int, many: int, **others: Any) -> settings:
    """Few of them as a rule, many where the profile asks for it; `others` are Hypothesis's own settings."""
    asked = many if settings.get_current_profile_name() == THOROUGH else few
    return settings(max_examples=asked, deadline=None, **others)
