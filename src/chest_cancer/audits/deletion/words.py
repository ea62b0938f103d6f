"""What deletions cost, in plain words."""

from typing import Any

from chest_cancer.statistics.intervals import in_words

Row = dict[str, Any]


def describe_deletions(rows: list[Row], lowest: float) -> str:
    """Say what the near-duplicates of tested images are worth, copies and distinct look-alikes apart.

    Args:
        rows: What was deleted and what that cost, as the audit lists it.
        lowest: Lowest cosine at which images were looked for.

    Returns:
        Sentences.
    """
    if not rows:
        return f"No two images are as near as cosine {lowest:.2f}: there is nothing that could be deleted."
    of_files = next((row for row in rows if row["unit"] == "files" and row["similarity"] is not None), None)
    of_pictures = [row for row in rows if row["unit"] == "pictures"]
    said = []
    if of_files is not None:
        said.append(_in_full(of_files))
        alike = "; ".join(f"{_cost(row)} at {row['similarity']:.2f}" for row in of_pictures)
        if alike:
            said.append(f"With copies out beforehand, look-alikes are worth {alike}.")
        else:
            said.append("Without copies there are no near-duplicates.")
    else:
        said += [_in_full(row) for row in of_pictures[:1]]
        said += [f"At {row['similarity']:.2f} it is {_cost(row)}." for row in of_pictures[1:]]
    return " ".join(said)


def _cost(row: Row) -> str:
    return in_words(row["beyond_random"])


def _in_full(row: Row) -> str:
    accuracy = row["balanced_accuracy"]
    start = (
        f"Near-duplicates of tested {row['unit']} (cosine {row['similarity']:.2f} and above) are, on average, "
        f"{row['deleted']:.0f} of the {row['trained']:.0f} training {row['unit']} of a random fold. Without them the "
        f"balanced accuracy is {in_words(accuracy['near'])}"
    )
    beside = f"without as many at random {in_words(accuracy['random'])}"
    within = in_words(row["beyond_same_classes"])
    if row["beyond_random"]["low"] > 0 and row["beyond_same_classes"]["low"] > 0:
        return (
            f"{start}, {beside}: {_cost(row)} of the score is memory of these {row['unit']} ({within} beyond a random "
            "deletion within the same classes)."
        )
    return (
        f"{start}, {beside}: no measurable difference ({_cost(row)}; {within} beyond a random deletion within the same "
        "classes)."
    )
