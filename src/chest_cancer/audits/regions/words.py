"""Where the information is, in plain words."""

from typing import Any

from chest_cancer.statistics.intervals import in_words


def describe_regions(regions: list[dict[str, Any]]) -> str:
    """Say whether the classes are told apart by the lungs, or by something else.

    Args:
        regions: What `compare_regions` returned.

    Returns:
        Sentences.
    """
    if not regions:
        return "Lungs were found in too few images of a class: nothing was measured."
    found = {region["name"]: region for region in regions}
    whole, without, lungs = (found[name]["roc_auc"] for name in ("whole", "without lungs", "lungs"))
    if whole["low"] <= 0.5 >= without["low"]:
        return (
            f"Whole images do not measurably tell the classes apart (AUC {in_words(whole)}): there is nothing to find."
        )
    beside = f"whole images have {in_words(whole)}, the lungs alone {in_words(lungs)}"
    if without["low"] > 0.5:
        return (
            f"With the lungs blacked out the AUC is still {in_words(without)}: the classes can be told apart by "
            f"something other than the lungs ({beside})."
        )
    less = found["lungs"]["less"]
    place = (
        "what tells the classes apart lies in the lungs" if lungs["low"] > 0.5 else "nothing was found beside the lungs"
    )
    alone = "less than whole images" if less["low"] > 0 else "not measurably less than whole images"
    return (
        f"With the lungs blacked out the AUC is {in_words(without)}, not measurably above chance: {place}. They alone "
        f"have {in_words(lungs)}, {alone} ({in_words(whole)})."
    )
