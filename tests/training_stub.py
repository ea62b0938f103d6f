"""In place of `kedro run`: reports, leaves a candidate, and serves it; the environment says how it ends.

In place of `kedro record rollback` it serves what lies in `former`.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path


def serve(folder):
    shutil.copytree(folder, "staging")
    Path("data/06_models/classifier").rename("replaced")
    Path("staging").rename("data/06_models/classifier")
    shutil.rmtree("replaced")


def report(event, **facts):
    with Path(os.environ["CHEST_CANCER_PROGRESS"]).open("a") as file:
        file.write(json.dumps({"time": time.time(), "event": event, **facts}) + "\n")


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if "rollback" in sys.argv:
    say("asked:", os.environ["KEDRO_ENV"], *sys.argv[sys.argv.index("rollback") + 1 :])
    if not Path("former").is_dir():
        sys.exit("ValueError: there was none before it to go back to.")
    serve("former")
    say("Version 1 is champion again.")
    sys.exit(0)

environment = sys.argv[sys.argv.index("--env") + 1]
config = Path(sys.argv[sys.argv.index("--config") + 1]) if "--config" in sys.argv else None
changed = json.loads(config.read_text())["run"]["params"] if config else {}
source = changed.get("data_ingestion", {}).get("source")
say("secrets:", [name for name in os.environ if "TOKEN" in name])
if environment == "held":
    report("run_failed", error="ProjectHeldError: Another run is using it: process 7.")
    sys.exit(1)
report("parameters", values={"seed": 17, "model_training.epochs": changed.get("model_training", {}).get("epochs", 300)})
if source:
    say("source:", source, Path(source).read_bytes()[:20] if Path(source).is_file() else "folder")
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
Path("data/08_reporting").mkdir(exist_ok=True)
Path("data/08_reporting/report.html").write_text("<script>document.title = document.cookie</script>The report.")
Path("data/08_reporting/model_card.md").write_text("# The model card")
figures = json.loads(Path("new/metrics.json").read_text())
data = {"source": source or "phantom", "synthetic": source is None, "classes": ["adenocarcinoma", "normal"]}
data |= {"images": 40, "digest": "ab" * 32, "split_digest": "cd" * 32}
told = {"run_id": "a-new-run", "version": "2", "figures": figures, "data": data}
if environment == "refused":
    reason = "It is worse than the champion. To serve it all the same: `kedro record promote 2`."
    report("promotion", promoted=False, reason=reason, **told)
elif environment != "silent":
    serve("new")
    report("promotion", promoted=True, reason="It is better.", **told)
