"""What all tests share: a running service for each module, and who calls it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callers import Caller, make
from commands import Result, environment, run_forked
from refused import NEW_TABLE, RUN, SECONDS, TABLE, TAG, Command
from service import Service

pytest_plugins = ["result_line"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in a fresh folder, on a free port, that ends with the module."""
    service = Service(Path(os.environ["GMS"]), tmp_path_factory.mktemp("service"))
    yield service
    service.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder of its own for the commands of a test."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def callers(service: Service) -> dict[str, Caller]:
    """All who are refused, and a tag, a table and a run that are not for them to change."""
    properties = {"value": {"name": "kept", "tags": []}}
    table = [{"urn": TABLE, "datasetProperties": properties}]
    assert service.send("POST", "/openapi/v3/entity/dataset", table)[0] == 200
    proposal = {
        "entityType": "tag",
        "entityUrn": TAG,
        "changeType": "UPSERT",
        "aspectName": "tagProperties",
        "aspect": {"value": '{"name": "kept"}', "contentType": "application/json"},
        "systemMetadata": {"runId": RUN, "lastObserved": 1_700_000_000_000},
    }
    path = "/aspects?action=ingestProposal"
    assert service.send("POST", path, {"proposal": proposal})[0] == 200
    return make(service)


@pytest.fixture
def nothing_changes(service: Service, callers: dict[str, Caller]) -> Iterator[None]:
    """Whatever a test does: afterwards everything is as it was, half of it neither."""
    before = service.state([TABLE, NEW_TABLE])
    assert before["tokens"] >= 1
    yield
    assert service.state([TABLE, NEW_TABLE]) == before


@pytest.fixture
def command(service: Service, home: Path) -> Command:
    """Runs a command of a caller, who is told of it in time and never the token again."""

    def run_it(caller: Caller, *arguments: str, stdin: str = "", how: Any = run_forked) -> Result:
        variables = environment(home, service.url, caller.token)
        result = how(list(arguments), variables, stdin)
        assert result.seconds < SECONDS, result.text
        assert not caller.token or caller.token not in result.text
        return result

    return run_it
