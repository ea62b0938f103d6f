"""A network of its own for Orthanc and what talks to it: Orthanc binds all interfaces, and has no setting for that."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive.orthanc import PLUGIN, Orthanc

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET


@pytest.fixture(scope="session", autouse=True)
def own_network() -> Iterator[None]:
    """A network namespace for this process and what it starts, with a loopback and nothing else."""
    if not (shutil.which("Orthanc") and PLUGIN.exists()):
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    if os.geteuid() != 0:
        pytest.skip("Orthanc binds all interfaces: a network namespace for it needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as before:
        if libc.unshare(_NEW_NETWORK):
            pytest.skip(f"no network namespace can be made here: {os.strerror(ctypes.get_errno())}")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
        libc.setns(before.fileno(), _NEW_NETWORK)


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    server = Orthanc(tmp_path / "orthanc")
    server.start()
    yield server
    server.kill()
