"""What the training page says of a run: stages, how long it still takes, and the best epoch."""

from app.presentation import curve_svg, time_left
from app.progress import summarise

NODES = [
    "data_ingestion.index_images_node",
    "model_preparation.cut_base_node",
    "feature_extraction.extract_features_node",
    "data_audit.audit_leakage_node",
    "model_training.train_head_node",
    "model_evaluation.measure_performance_node",
    "reporting.write_report_node",
]
BEFORE = dict.fromkeys(NODES, 10.0)


def events(*done, running=None, after=()):
    said = [{"event": "run_started", "nodes": NODES}]
    for node in done:
        said += [
            {"event": "node_started", "node": node, "time": 100.0},
            {"event": "node_finished", "node": node, "seconds": 4.0, "time": 104.0},
        ]
    if running:
        said.append({"event": "node_started", "node": running, "time": 200.0})
    return [*said, *after]


def stages(summary):
    return {stage["name"]: stage["status"] for stage in summary["stages"]}


def test_steps_are_shown_in_five_stages():
    summary = summarise(events(*NODES[:4], running=NODES[4]), "running")
    assert stages(summary) == {
        "Images": "done",
        "Features": "done",
        "Training": "running",
        "Evaluation": "waiting",
        "Audits and reports": "begun",  # some of its steps come early
    }
    assert summary["stages"][1] == {"name": "Features", "status": "done", "done": 2, "of": 2, "seconds": 8.0}


def test_a_stage_in_which_the_run_ended_says_so():
    failed = [*events(*NODES[:4], running=NODES[4]), {"event": "node_failed", "node": NODES[4], "error": "x"}]
    assert stages(summarise(failed, "failed"))["Training"] == "failed"
    assert stages(summarise(failed, "failed"))["Audits and reports"] == "stopped"
    assert stages(summarise(events(*NODES[:4], running=NODES[4]), "cancelled"))["Training"] == "stopped"


def test_the_end_is_expected_by_how_long_the_steps_took_in_an_earlier_run():
    summary = summarise(events(*NODES[:4], running=NODES[4]), "running", BEFORE)
    assert (summary["step_ends"], summary["ends"]) == (210.0, 230.0)


def test_without_an_earlier_run_only_a_step_that_counts_its_images_has_an_expected_end():
    counted = {"event": "images", "done": 20, "of": 80, "time": 230.0}
    summary = summarise(events(*NODES[:2], running=NODES[2], after=[counted]), "running")
    assert (summary["step_ends"], summary["ends"], summary["images"]) == (320.0, None, {"done": 20, "of": 80})
    summary = summarise(events(*NODES[:2], running=NODES[2], after=[counted]), "running", BEFORE)
    assert summary["ends"] == 320.0 + 40.0
    other = summarise(events(*NODES[:4], running=NODES[4]), "running", {NODES[0]: 1.0})
    assert (other["step_ends"], other["ends"]) == (None, None)


def test_the_best_epoch_is_that_of_the_lowest_validation_loss_and_is_marked_on_the_curve():
    losses = [0.9, 0.5, 0.6]
    said = [
        {"event": "epoch", "epoch": epoch, "epochs": 9, "figures": {"loss": 1.0, "val_loss": loss}}
        for epoch, loss in enumerate(losses, start=1)
    ]
    summary = summarise(said, "running")
    assert summary["best"] == {"epoch": 2, "val_loss": 0.5}
    drawn = curve_svg(summary["curve"], summary["best"])
    assert 'class="best point" d="M200.0 50.0h0"' in drawn
    assert "best epoch 2" in drawn
    assert "best" not in curve_svg(summary["curve"])


def test_what_is_said_of_a_training_that_has_ended_is_of_the_epoch_that_is_kept():
    said = [
        {"event": "epoch", "epoch": epoch, "epochs": 9, "figures": {"accuracy": epoch / 10, "val_loss": loss}}
        for epoch, loss in enumerate([0.9, 0.5, 0.6], start=1)
    ]
    during = summarise(events(*NODES[:4], running=NODES[4], after=said), "running")
    ended = summarise(events(*NODES[:5], after=said), "succeeded")

    assert (during["epoch"]["epoch"], during["kept"]) == (3, None)
    assert ended["kept"] == {"epoch": 2, "epochs": 9, "figures": {"accuracy": 0.2, "val_loss": 0.5}}


def test_a_loss_that_falls_by_less_than_counts_is_not_the_best():
    said = [
        {"event": "epoch", "epoch": epoch, "epochs": 9, "figures": {"loss": 1.0, "val_loss": loss}}
        for epoch, loss in enumerate([0.9, 0.5, 0.45], start=1)
    ]
    asked = {"event": "parameters", "values": {"model_training.early_stopping.min_delta": 0.1}}

    assert [summarise([*before, *said], "running")["best"]["epoch"] for before in ((), (asked,))] == [3, 2]


def test_time_left_is_said_roughly(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000.0)
    assert [time_left(end) for end in (990.0, 1030.0, 1300.0, 11800.0)] == ["no time", "a minute", "5 min", "3.0 h"]
