"""A project after a run, and a tracking server for each kind of store."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from conftest import copy_project
from record.servers import POSTGRESQL, TrackingServer, free_port, kedro, postgresql, succeed


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a run that was recorded beside it."""
    project = copy_project(tmp_path_factory.mktemp("record"))
    succeed(kedro(project, "run", "--env", "test"))
    return project


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """A server for each kind of store; whoever needs it starts it, and it runs until it is stopped."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "postgresql" and POSTGRESQL is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    stores = {"sqlite": nullcontext(f"sqlite:///{folder}/server.db"), "postgresql": postgresql(POSTGRESQL)}
    with stores[request.param] as store:
        server = TrackingServer(folder, store, free_port())
        yield server
        server.stop()
