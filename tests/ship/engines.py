"""Two ways to build an image and to run it locked down: Docker, and buildah where no Docker daemon can run."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from conftest import PROJECT

DATA = "/srv/chest-cancer/data"


class Container(Protocol):
    """A running container."""

    def stop(self) -> int:
        """Ask process 1 to end, as `docker stop` does, and return its exit status."""

    def is_running(self) -> bool: ...

    def kill(self) -> None: ...


class Engine(Protocol):
    """Builds images, and runs them on a read-only root, as their own user, without capabilities."""

    base: str

    def build(self, target: str, context: Path, tag: str) -> str:
        """Build a target and return the image's name."""

    def megabytes(self, image: str) -> float: ...

    def settings(self, image: str) -> dict[str, Any]:
        """User, Env, Entrypoint, Healthcheck and Labels, as Docker calls them."""

    def volume(self) -> str:
        """Make an empty volume for `DATA` that the images' user may write to."""

    def start(self, image: str, port: int, volume: str | None = None) -> Container:
        """Run the image's entry point, serving on 127.0.0.1:port."""

    def run(
        self, image: str, *command: str, env: Mapping[str, str] | None = None, writable: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in place of the entry point, until it ends; with a volume to write to, the root is writable."""

    def close(self) -> None:
        """Remove the volumes; the images stay, for the next build's sake."""


def find_engine() -> Engine:
    """Return Docker where there is a daemon, else buildah."""
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True).returncode == 0:
        return Docker()
    if not (shutil.which("buildah") and shutil.which("mmdebstrap")):
        raise FileNotFoundError(
            "Found no Docker daemon, nor both of buildah and mmdebstrap: install these two with apt."
        )
    return Buildah()


def _succeed(*command: str, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout.strip()


class Docker:
    """What CI on GitHub has."""

    _LOCKED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

    def __init__(self) -> None:
        line = next(line for line in (PROJECT / "Dockerfile").read_text().splitlines() if "PYTHON_IMAGE=" in line)
        self.base = line.partition("=")[2]
        self._volumes: list[str] = []

    def build(self, target: str, context: Path, tag: str) -> str:
        image = f"chest-cancer:{tag}"
        _succeed("docker", "build", "--quiet", "--target", target, "--tag", image, str(context))
        return image

    def megabytes(self, image: str) -> float:
        if image == self.base:
            _succeed("docker", "pull", "--quiet", image)
        return int(_succeed("docker", "image", "inspect", "--format", "{{.Size}}", image)) / 1e6

    def settings(self, image: str) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(_succeed("docker", "image", "inspect", image))[0]["Config"]
        return settings

    def volume(self) -> str:
        # Takes over the owner of the folder that it covers.
        self._volumes.append(_succeed("docker", "volume", "create"))
        return self._volumes[-1]

    def start(self, image: str, port: int, volume: str | None = None) -> Container:
        mount = ["--volume", f"{volume}:{DATA}:ro"] if volume else []
        publish = ["--publish", f"127.0.0.1:{port}:8080"]
        return DockerContainer(_succeed("docker", "run", "--detach", *self._LOCKED, *publish, *mount, image))

    def run(
        self, image: str, *command: str, env: Mapping[str, str] | None = None, writable: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        options = ["--volume", f"{writable}:{DATA}"] if writable else [*self._LOCKED]
        for name, value in (env or {}).items():
            options += ["--env", f"{name}={value}"]
        line = ["docker", "run", "--rm", "--network", "host", *options, "--entrypoint", command[0]]
        return subprocess.run([*line, image, *command[1:]], capture_output=True, text=True)

    def close(self) -> None:
        for volume in self._volumes:
            subprocess.run(["docker", "volume", "rm", "--force", volume], capture_output=True)


class DockerContainer:
    """Knows its id."""

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def stop(self) -> int:
        _succeed("docker", "stop", self._identity)
        return int(_succeed("docker", "inspect", "--format", "{{.State.ExitCode}}", self._identity))

    def is_running(self) -> bool:
        return _succeed("docker", "inspect", "--format", "{{.State.Running}}", self._identity) == "true"

    def kill(self) -> None:
        subprocess.run(["docker", "rm", "--force", self._identity], capture_output=True)


class Buildah:
    """Builds in a chroot and runs in namespaces of its own, as root: where a container can't start a container.

    The network is the machine's, and so are its certificates. No image registry is asked: the base is Debian's Python.
    """

    base = "localhost/chest-cancer-base"
    # Root, user, ro or rw, volume or nothing; then the environment and the command.
    _CONTAIN = """
        set -e; root=$1 user=$2 mode=$3 volume=$4; shift 4
        mount --bind "$root" "$root"
        [ -z "$volume" ] || mount --bind "$volume" "$root/srv/chest-cancer/data"
        mount -o "remount,bind,$mode" "$root"
        mount -t proc proc "$root/proc"; mount -t tmpfs tmpfs "$root/tmp"; mount --rbind /dev "$root/dev"
        mount --rbind /sys "$root/sys"; mount -o remount,bind,ro "$root/sys"
        exec chroot --userspec="$user" "$root" /usr/bin/env -i "$@"
    """

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}
        self._containers: list[str] = []
        self._volumes: list[str] = []
        if subprocess.run(["buildah", "inspect", "--type", "image", self.base], capture_output=True).returncode:
            self._make_base()

    def _make_base(self) -> None:
        release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
        with tempfile.TemporaryDirectory() as folder:
            tar = f"{folder}/base.tar"
            packages = "--include=ca-certificates,python3-pip,python3-venv"
            _succeed("mmdebstrap", "--variant=minbase", packages, release["VERSION_CODENAME"], tar)
            container = _succeed("buildah", "from", "scratch")
            _succeed("buildah", "add", "--quiet", container, tar, "/")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        _succeed("buildah", "config", "--env", path, container)
        _succeed("buildah", "commit", "--quiet", "--rm", container, self.base)

    def build(self, target: str, context: Path, tag: str) -> str:
        image = f"localhost/chest-cancer:{tag}"
        # --layers keeps the layer of the installed packages for the next build.
        options = ["--isolation", "chroot", "--pull-never", "--layers", "--format", "docker", "--target", target]
        options += ["--build-arg", f"PYTHON_IMAGE={self.base}", "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"]
        _succeed("buildah", "bud", *options, "--tag", image, str(context))
        self._roots.pop(image, None)
        return image

    def megabytes(self, image: str) -> float:
        return int(_succeed("du", "--summarize", "--bytes", "--one-file-system", self._root(image)).split()[0]) / 1e6

    def settings(self, image: str) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(_succeed("buildah", "inspect", "--type", "image", image))["Docker"][
            "config"
        ]
        return settings

    def volume(self) -> str:
        folder = tempfile.mkdtemp(prefix="chest-cancer-data-")
        os.chown(folder, 10001, 10001)
        self._volumes.append(folder)
        return folder

    def start(self, image: str, port: int, volume: str | None = None) -> Container:
        entry = self.settings(image)["Entrypoint"]
        env = {"HOST": "127.0.0.1", "PORT": str(port)}
        return BuildahContainer(self._popen(image, entry, volume, env, "ro"))

    def run(
        self, image: str, *command: str, env: Mapping[str, str] | None = None, writable: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        mode = "rw" if writable else "ro"
        process = self._popen(image, command, writable, env or {}, mode, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def close(self) -> None:
        if self._containers:
            subprocess.run(["buildah", "rm", *self._containers], capture_output=True)
        for volume in self._volumes:
            shutil.rmtree(volume)

    def _root(self, image: str) -> str:
        if image not in self._roots:
            self._containers.append(_succeed("buildah", "from", "--pull-never", image))
            self._roots[image] = _succeed("buildah", "mount", self._containers[-1])
        return self._roots[image]

    def _popen(
        self, image: str, command: Sequence[str], volume: str | None, env: Mapping[str, str], mode: str, **options: Any
    ) -> subprocess.Popen[str]:
        settings = self.settings(image)
        variables = [*settings["Env"], *(f"{name}={value}" for name, value in env.items())]
        inside = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', settings["WorkingDir"], *command]
        contain = ["/bin/sh", "-c", self._CONTAIN, "sh", self._root(image), settings["User"], mode, volume or ""]
        line = ["unshare", "--mount", "--pid", "--fork", *contain, *variables, *inside]
        return subprocess.Popen(line, text=True, **options)


class BuildahContainer:
    """A process in namespaces of its own, behind the `unshare` that waits for it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> int:
        self._signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        # The first process of the namespace: with it all others in there end.
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        if self._process.poll() is None:
            os.kill(int(children.read_text().split()[0]), number)
