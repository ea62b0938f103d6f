"""A batch on two Ray nodes, one of which is killed: `python ray_nodes.py <source> <work>`, in a network of its own."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from batch_run import make_table

ADDRESS = "127.0.0.1:6379"
PARTS_BEFORE_THE_KILL = 3


def start_node(*arguments: str) -> subprocess.Popen[bytes]:
    ray = [Path(sys.executable).parent / "ray", "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1"]
    ports = ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]  # any that are free
    return subprocess.Popen([*ray, *ports, *arguments], stdout=subprocess.DEVNULL, process_group=0)


def wait_for_nodes(count: int) -> None:
    import ray

    deadline = time.monotonic() + 180
    while True:
        try:
            ray.init(ADDRESS, log_to_driver=False)
            alive = sum(node["Alive"] for node in ray.nodes())
        except ConnectionError:
            alive = 0
        ray.shutdown()
        if alive == count:
            return
        assert time.monotonic() < deadline, f"{alive} of {count} nodes"
        time.sleep(1)


def kill_after(parts: Path, node: subprocess.Popen[bytes]) -> None:
    while len(list(parts.glob("*.parquet"))) < PARTS_BEFORE_THE_KILL:
        time.sleep(0.01)
    os.killpg(node.pid, signal.SIGKILL)  # with its workers
    print("killed", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    source, work = map(Path, sys.argv[1:])
    start_node("--head", "--port=6379", "--include-dashboard=false")
    other = start_node(f"--address={ADDRESS}")
    wait_for_nodes(2)
    os.environ["RAY_ADDRESS"] = ADDRESS
    threading.Thread(target=kill_after, args=(work / "predictions", other)).start()
    make_table(source, work, engine="ray", workers=2)
