"""In place of `kedro run`: reports, leaves a candidate, and serves it; the environment says how it ends."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

environment = sys.argv[sys.argv.index("--env") + 1]


def report(event, **facts):
    with Path(os.environ["CHEST_CANCER_PROGRESS"]).open("a") as file:
        file.write(json.dumps({"time": time.time(), "event": event, **facts}) + "\n")


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


say("secrets:", [name for name in os.environ if "TOKEN" in name])
if environment == "held":
    report("run_failed", error="ProjectHeldError: Another run is using it: process 7.")
    sys.exit(1)
report("run_started", nodes=["model_training.train_head_node", "model_evaluation.measure_performance_node"])
report("node_started", node="model_training.train_head_node")
for epoch in (1, 2):
    report("epoch", epoch=epoch, epochs=9, figures={"loss": 1 / epoch, "val_loss": 2 / epoch})
if environment == "patient":
    while not Path("go").exists():
        time.sleep(0.05)
if environment == "endless":
    say("child", subprocess.Popen(["sleep", "600"]).pid)
    time.sleep(600)
shutil.copytree("new", "data/06_models/candidate", dirs_exist_ok=True)
report("node_finished", node="model_training.train_head_node", seconds=1.5)
report("node_started", node="model_evaluation.measure_performance_node")
if environment == "failing":
    report("node_failed", node="model_evaluation.measure_performance_node", error="ValueError: no test images")
    sys.exit(1)
report("node_finished", node="model_evaluation.measure_performance_node", seconds=0.5)
figures = json.loads(Path("new/metrics.json").read_text())
if environment == "refused":
    reason = "It is worse than the champion. To serve it all the same: `kedro record promote 2`."
    report("promotion", promoted=False, reason=reason, run_id="a-new-run", figures=figures)
elif environment != "silent":
    shutil.copytree("new", "staging")
    Path("data/06_models/classifier").rename("former")
    Path("staging").rename("data/06_models/classifier")
    shutil.rmtree("former")
    report("promotion", promoted=True, reason="It is better.", run_id="a-new-run", figures=figures)
