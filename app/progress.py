"""Summary of what a run has reported (`chest_cancer.jobs.progress`)."""

from typing import Any

_MOST_POINTS = 120


def summarise(events: list[dict[str, Any]], status: str) -> dict[str, Any]:
    """Sum up the progress of a run.

    Args:
        events: What it has reported so far, in order.
        status: Status of its job.

    Returns:
        `nodes`: name, status (waiting, running, done, failed or stopped) and seconds of each, in order; `epoch`: the
            last epoch, the number of epochs, and its figures, or None; `curve`: epoch, loss and validation loss of up
            to 120 epochs.
    """
    nodes: dict[str, dict[str, Any]] = {}
    epochs = []
    for event in events:
        match event:
            case {"event": "run_started", "nodes": names}:
                nodes = {name: {"name": name, "status": "waiting", "seconds": None} for name in names}
            case {"event": "node_started", "node": name}:
                nodes[name] |= {"status": "running", "started": event["time"]}
            case {"event": "node_finished", "node": name, "seconds": seconds}:
                nodes[name] |= {"status": "done", "seconds": seconds}
            case {"event": "node_failed", "node": name}:
                nodes[name] |= {"status": "failed"}
            case {"event": "epoch"}:
                epochs.append(event)
    for node in nodes.values():
        if node["status"] == "running" and status != "running":
            node["status"] = "stopped"
    last = {name: epochs[-1][name] for name in ("epoch", "epochs", "figures")} if epochs else None
    step = -(-len(epochs) // _MOST_POINTS) or 1
    chosen = [*epochs[:-1:step], *epochs[-1:]]
    curve = [[event["epoch"], event["figures"].get("loss"), event["figures"].get("val_loss")] for event in chosen]
    return {"nodes": list(nodes.values()), "epoch": last, "curve": curve}
