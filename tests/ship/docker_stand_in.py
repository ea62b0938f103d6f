"""A `docker` for tests: its containers are processes of the app on this machine.

It knows the options that deploy.sh and push.sh use, as Docker documents them, and refuses any other. Its state is a
folder, named by DOCKER_STAND_IN: `registry.json` (what can be pulled: image -> the app to start), `images.json` (what
was), `containers/<name>.json`, `calls.log`. What is pushed is told to Amazon ECR, by `aws`.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STATE = Path(os.environ["DOCKER_STAND_IN"])
CONTAINERS = STATE / "containers"


def main() -> None:
    with (STATE / "calls.log").open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    parser = argparse.ArgumentParser(prog="docker", allow_abbrev=False)
    commands = parser.add_subparsers(required=True)

    pull_parser = commands.add_parser("pull")
    pull_parser.add_argument("--quiet", action="store_true")
    pull_parser.add_argument("image")
    pull_parser.set_defaults(do=pull)

    login_parser = commands.add_parser("login")
    login_parser.add_argument("--username", choices=["AWS"], required=True)
    login_parser.add_argument("--password-stdin", action="store_true", required=True)
    login_parser.add_argument("registry")
    login_parser.set_defaults(do=login)

    build_parser = commands.add_parser("build")
    for option in ("--target", "--tag"):
        build_parser.add_argument(option, required=True)
    build_parser.add_argument("--build-arg", action="append", default=[])
    build_parser.add_argument("context")
    build_parser.set_defaults(do=build)

    push_parser = commands.add_parser("push")
    push_parser.add_argument("image")
    push_parser.set_defaults(do=push)

    image_commands = commands.add_parser("image").add_subparsers(required=True)
    image_inspect_parser = image_commands.add_parser("inspect")
    image_inspect_parser.add_argument("image")
    image_inspect_parser.set_defaults(do=inspect_image)
    prune_parser = image_commands.add_parser("prune")
    prune_parser.add_argument("--all", action="store_true", required=True)
    prune_parser.add_argument("--force", action="store_true", required=True)
    prune_parser.add_argument("--filter", required=True)
    prune_parser.set_defaults(do=prune_images)

    run_parser = commands.add_parser("run")
    for flag in ("--detach", "--read-only"):
        run_parser.add_argument(flag, action="store_true")
    for option in ("--name", "--restart", "--publish", "--tmpfs", "--cap-drop", "--memory", "--pids-limit"):
        run_parser.add_argument(option, required=True)
    for option in ("--security-opt", "--env-file"):
        run_parser.add_argument(option)
    for option in ("--label", "--log-opt", "--volume"):
        run_parser.add_argument(option, action="append", default=[])
    run_parser.add_argument("image")
    run_parser.set_defaults(do=run)

    inspect_parser = commands.add_parser("inspect")
    inspect_parser.add_argument("--format", default="")
    inspect_parser.add_argument("name")
    inspect_parser.set_defaults(do=inspect)

    stop_parser = commands.add_parser("stop")
    stop_parser.add_argument("--time", type=int, default=10)
    stop_parser.add_argument("name")
    stop_parser.set_defaults(do=stop)

    rm_parser = commands.add_parser("rm")
    rm_parser.add_argument("--force", action="store_true")
    rm_parser.add_argument("name")
    rm_parser.set_defaults(do=remove)

    logs_parser = commands.add_parser("logs")
    logs_parser.add_argument("--tail", type=int)
    logs_parser.add_argument("name")
    logs_parser.set_defaults(do=logs)

    arguments = parser.parse_args()
    arguments.do(arguments)


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return content


def _container(name: str) -> dict[str, Any]:
    return _read(CONTAINERS / f"{name}.json") or sys.exit(f"Error: No such container: {name}")


def pull(arguments: argparse.Namespace) -> None:
    image = arguments.image
    if image not in (registry := _read(STATE / "registry.json")):
        sys.exit(f"Error response from daemon: manifest for {image} not found")
    images = _read(STATE / "images.json") | {image: registry[image]}
    (STATE / "images.json").write_text(json.dumps(images))
    print(image)


def login(arguments: argparse.Namespace) -> None:
    if not sys.stdin.read().strip():
        sys.exit(f"Error: no password for {arguments.registry}")


def build(arguments: argparse.Namespace) -> None:
    if not (Path(arguments.context) / "Dockerfile").exists():
        sys.exit(f"ERROR: no Dockerfile in {arguments.context}")
    (STATE / "built.json").write_text(json.dumps(_read(STATE / "built.json") | {arguments.tag: arguments.build_arg}))


def push(arguments: argparse.Namespace) -> None:
    if arguments.image not in (built := _read(STATE / "built.json")):
        sys.exit(f"An image does not exist locally with the tag: {arguments.image}")
    repository, tag = arguments.image.partition("/")[2].split(":")
    digest = hashlib.sha256(json.dumps(built[arguments.image]).encode()).hexdigest()
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1, "digest": f"sha256:{digest}"}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1, "digest": f"sha256:{digest}"}
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
    put = ["aws", "ecr", "put-image", "--repository-name", repository, "--image-tag", tag]
    subprocess.run([*put, "--image-manifest", json.dumps(manifest)], check=True)


def inspect_image(arguments: argparse.Namespace) -> None:
    if arguments.image not in _read(STATE / "images.json"):
        sys.exit(f"Error response from daemon: No such image: {arguments.image}")


def prune_images(arguments: argparse.Namespace) -> None:
    used = {_read(file)["image"] for file in CONTAINERS.iterdir()}
    label = arguments.filter.removeprefix("label=")
    kept = {
        image: made for image, made in _read(STATE / "images.json").items() if image in used or made["label"] != label
    }
    (STATE / "images.json").write_text(json.dumps(kept))


def run(arguments: argparse.Namespace) -> None:
    file = CONTAINERS / f"{arguments.name}.json"
    if file.exists():
        sys.exit(f'Error response from daemon: Conflict. The container name "/{arguments.name}" is already in use')
    image = _read(STATE / "images.json")[arguments.image]
    address, port, _ = arguments.publish.split(":")
    # Nothing of this process's environment: the app gets what --env-file gives it.
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {
        "HOST": address,
        "PORT": port,
        "CHEST_CANCER_PROJECT": image["project"],
        "PYTHONPATH": image["path"],
    }
    if arguments.env_file:
        environment |= dict(line.split("=", 1) for line in Path(arguments.env_file).read_text().splitlines() if line)
    command = [sys.executable, "-m", "gunicorn", "--config", "app/gunicorn.conf.py", image["entry"]]
    with (STATE / f"{arguments.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=image["code"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    labels = dict(label.split("=", 1) for label in arguments.label)
    file.write_text(json.dumps({"image": arguments.image, "labels": labels, "pid": process.pid}))
    print(arguments.name)


def inspect(arguments: argparse.Namespace) -> None:
    container = _container(arguments.name)
    formats = {
        "": "[]",
        "{{.Config.Image}}": container["image"],
        '{{index .Config.Labels "chest-cancer.previous"}}': container["labels"].get("chest-cancer.previous", ""),
    }
    print(formats[arguments.format])


def stop(arguments: argparse.Namespace) -> None:
    pid = _container(arguments.name)["pid"]
    _end(pid, signal.SIGTERM, arguments.time)
    _end(pid, signal.SIGKILL, 10)


def remove(arguments: argparse.Namespace) -> None:
    if not arguments.force:
        sys.exit("The stand-in removes by force only.")
    _end(_container(arguments.name)["pid"], signal.SIGKILL, 10)
    (CONTAINERS / f"{arguments.name}.json").unlink()


def logs(arguments: argparse.Namespace) -> None:
    _container(arguments.name)
    print("\n".join((STATE / f"{arguments.name}.log").read_text().splitlines()[-arguments.tail :]))


def _end(pid: int, how: int, seconds: float) -> None:
    """Signal the first process, for a kill the whole group, and wait until no process of the group is left."""
    deadline = time.monotonic() + seconds
    try:
        (os.killpg if how == signal.SIGKILL else os.kill)(pid, how)
        while time.monotonic() < deadline:
            os.killpg(pid, 0)
            time.sleep(0.02)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    main()
