"""Parameters as a record shows them: under one name each, and without secrets."""

from collections.abc import Mapping
from typing import Any

from chest_cancer.parameters.values import flatten
from chest_cancer.record.names import mlflow_name
from chest_cancer.sources.addresses import without_secrets


def flat_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Name parameters `block.name`, and take out of addresses what they hold in secret.

    Args:
        values: Parameters by name; typed blocks count as mappings.

    Returns:
        Values that fit into JSON.
    """
    return public({mlflow_name(name): value for name, value in flatten(values)})


def public(values: Mapping[str, Any]) -> dict[str, Any]:
    """Take out of addresses what they hold in secret: accounts, tokens, and whose studies an archive is asked for."""
    return {
        name: public(value) if isinstance(value, dict) else without_secrets(value) if isinstance(value, str) else value
        for name, value in values.items()
    }
