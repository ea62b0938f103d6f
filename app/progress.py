"""Summary of what a run has reported (`chest_cancer.jobs.progress`)."""

from collections.abc import Mapping
from typing import Any

from chest_cancer.jobs.progress import kept_epoch

_MOST_POINTS = 120
_TRAINING = "model_training.train_head_node"
_MIN_DELTA = "model_training.early_stopping.min_delta"

STAGES = {
    "Images": ("data_ingestion",),
    "Features": ("model_preparation", "feature_extraction"),
    "Training": ("model_training",),
    "Evaluation": ("model_evaluation",),
    "Audits and reports": ("data_audit", "model_audit", "reporting"),
}
"""What people follow, and the pipelines of each."""


def summarise(events: list[dict[str, Any]], status: str, before: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Sum up the progress of a run.

    Args:
        events: What it has reported so far, in order.
        status: Status of its job.
        before: Seconds that each node took in an earlier run; None where there was none.

    Returns:
        `stages`: name, status, number of its nodes and of those done, and seconds of each; `nodes`: name, status
            (waiting, running, done, failed or stopped) and seconds of each, in order; `images`: how many of how many
            the running node has been through, or None; `ends`: when the run is expected to end, `step_ends`: when its
            running node is, in seconds since 1970, or None where nothing tells; `epoch`: the last epoch, the number of
            epochs, and its figures, or None; `best`: the epoch whose weights are kept, and its validation loss, or
            None; `kept`: that epoch and its figures, once the training has ended, else None; `curve`: epoch, loss and
            validation loss of up to 120 epochs.
    """
    nodes: dict[str, dict[str, Any]] = {}
    epochs: list[dict[str, Any]] = []
    images = None
    for event in events:
        match event:
            case {"event": "run_started", "nodes": names}:
                nodes = {name: {"name": name, "status": "waiting", "seconds": None} for name in names}
            case {"event": "node_started", "node": name}:
                nodes[name] |= {"status": "running", "started": event["time"]}
                images = None
            case {"event": "node_finished", "node": name, "seconds": seconds}:
                nodes[name] |= {"status": "done", "seconds": seconds}
                images = None
            case {"event": "node_failed", "node": name}:
                nodes[name] |= {"status": "failed"}
            case {"event": "images", "done": done, "of": count}:
                images = {"done": done, "of": count, "time": event["time"]}
            case {"event": "epoch"}:
                epochs.append(event)
    for node in nodes.values():
        if node["status"] == "running" and status != "running":
            node["status"] = "stopped"
    step_ends, ends = _expected_ends(list(nodes.values()), images, before or {})
    best, trained = _best(epochs, _min_delta(events)), nodes.get(_TRAINING, {}).get("status") == "done"
    step = -(-len(epochs) // _MOST_POINTS) or 1
    chosen = [*epochs[:-1:step], *epochs[-1:]]
    curve = [[event["epoch"], event["figures"].get("loss"), event["figures"].get("val_loss")] for event in chosen]
    return {
        "stages": _stages(list(nodes.values()), status),
        "nodes": list(nodes.values()),
        "images": images and {"done": images["done"], "of": images["of"]},
        "ends": ends,
        "step_ends": step_ends,
        "epoch": _shown(epochs[-1]) if epochs else None,
        "best": best,
        "kept": next(_shown(event) for event in epochs if event["epoch"] == best["epoch"])
        if best and trained
        else None,
        "curve": curve,
    }


def _stages(nodes: list[dict[str, Any]], status: str) -> list[dict[str, Any]]:
    """Stages that have nodes in this run."""
    found = []
    for name, pipelines in STAGES.items():
        own = [node for node in nodes if node["name"].split(".")[0] in pipelines]
        if own:
            done = [node["seconds"] for node in own if node["status"] == "done"]
            state = _state([node["status"] for node in own], status)
            found.append(
                {"name": name, "status": state, "done": len(done), "of": len(own), "seconds": round(sum(done), 2)}
            )
    return found


def _state(nodes: list[str], status: str) -> str:
    for decisive in ("failed", "stopped", "running"):
        if decisive in nodes:
            return decisive
    if set(nodes) == {"done"}:
        return "done"
    if set(nodes) == {"waiting"}:
        return "waiting"
    return "begun" if status == "running" else "stopped"  # its nodes wait for those of other stages


def _expected_ends(
    nodes: list[dict[str, Any]], images: dict[str, Any] | None, before: Mapping[str, float]
) -> tuple[float | None, float | None]:
    """When the running node, and the run, should end: by how fast it goes, else by how long it took before."""
    running = next((node for node in nodes if node["status"] == "running"), None)
    if running is None:
        return None, None
    started, step_ends = running["started"], None
    if images:
        step_ends = started + (images["time"] - started) * images["of"] / max(1, images["done"])
    elif running["name"] in before:
        step_ends = started + before[running["name"]]
    waiting = [node["name"] for node in nodes if node["status"] == "waiting"]
    if step_ends is None or not before.keys() >= set(waiting):
        return step_ends, None
    return step_ends, step_ends + sum(before[name] for name in waiting)


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("epoch", "epochs", "figures")}


def _best(epochs: list[dict[str, Any]], min_delta: float) -> dict[str, Any] | None:
    """The epoch whose weights a run keeps."""
    losses = {event["epoch"]: event["figures"]["val_loss"] for event in epochs if "val_loss" in event["figures"]}
    if not losses:
        return None
    epoch = list(losses)[kept_epoch(list(losses.values()), min_delta) - 1]
    return {"epoch": epoch, "val_loss": losses[epoch]}


def _min_delta(events: list[dict[str, Any]]) -> float:
    """The smallest fall of the loss that counts in this run."""
    parameters: dict[str, Any] = next((event["values"] for event in events if event["event"] == "parameters"), {})
    return float(parameters.get(_MIN_DELTA, 0.0))
