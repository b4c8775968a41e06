"""Ingestion, and looking at runs and taking them back, by those whom the service refuses."""

import json
import re
from pathlib import Path

import pytest

import records
from callers import READER, UNKNOWN, Caller
from commands import TRACEBACK, Result
from refused import ERROR, MODES, REFUSED, RUN, TAG, Command, recipe
from service import Service

pytestmark = pytest.mark.usefixtures("nothing_changes")

LOGGED = re.compile("failed to write record with workunit|Reporting failed on ")


def logged_tracebacks_only(result: Result, caller: Caller) -> None:
    """The client logs each refusal of an ingestion with a traceback, whatever is answered. There
    must be no other: each says the reason, and the command itself ends in order."""
    assert TRACEBACK not in result.out, result.text
    lines = result.err.splitlines()
    before = [lines[at - 1] for at, line in enumerate(lines) if line.startswith(TRACEBACK)]
    assert before and all(LOGGED.search(line) for line in before), result.text
    ends = [line for line in lines if line.startswith(f"{ERROR}: (")]
    assert len(ends) == len(before), result.text
    assert all(caller.words in line for line in ends), result.text
    assert " Finished metadata ingestion" in lines[-1], result.text


def refused_ingestion(result: Result, caller: Caller, mode: str, number: int) -> None:
    """An ingestion of so many records none of which is written."""
    logged_tracebacks_only(result, caller)
    reason = f"Unable to emit metadata to DataHub GMS: .*{re.escape(caller.words)}"
    if mode == "sync":
        # The client takes this for a success, whatever is answered.
        assert result.code == 0
        assert "Pipeline finished successfully" in result.out
        assert result.err.count("failed to write record with workunit") == number
        assert re.search(reason, result.err), result.text
    else:
        assert result.code == 1, result.text
        assert re.search(r"Pipeline finished with at least \d+ failures", result.out), result.text
        assert re.search(rf"'error': [\"']{reason}", result.out), result.text
        assert f"'status': {caller.status}" in result.out
    assert "'total_records_written': 0," in result.out


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mode", MODES)
def test_ingest(
    command: Command,
    service: Service,
    callers: dict[str, Caller],
    home: Path,
    mode: str,
    name: str,
) -> None:
    caller = callers[name]
    result = command(caller, "ingest", "-c", recipe(service, home, caller, mode))
    refused_ingestion(result, caller, mode, 12)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mode", ["sync", "async", "batch"])
def test_old_snapshots(
    command: Command,
    service: Service,
    callers: dict[str, Caller],
    home: Path,
    mode: str,
    name: str,
) -> None:
    caller = callers[name]
    path = recipe(service, home, caller, mode)
    (home / "records.json").write_text(json.dumps(records.snapshots("refused")))
    result = command(caller, "ingest", "-c", path)
    refused_ingestion(result, caller, mode, 2)


@pytest.mark.parametrize("name", UNKNOWN)
def test_listing_runs(command: Command, callers: dict[str, Caller], name: str) -> None:
    caller = callers[name]
    result = command(caller, "ingest", "list-runs")
    assert result.code == 0
    assert not result.has_traceback, result.text
    assert "Received error, please check your ~/.datahubenv" in result.out
    assert caller.words in result.out
    assert "'status': 401" in result.out


@pytest.mark.parametrize("name", REFUSED)
def test_showing_a_run(command: Command, callers: dict[str, Caller], name: str) -> None:
    caller = callers[name]
    result = command(caller, "ingest", "show", "--run-id", RUN)
    assert (result.code, result.has_traceback) == (0, False), result.text
    if name == READER:
        assert f"| {TAG} " in result.out
    else:
        assert "Received error, please check your ~/.datahubenv" in result.out
        assert caller.words in result.out and "'status': 401" in result.out
        assert TAG not in result.out


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("how", ["--force", "--dry-run"])
def test_taking_a_run_back(
    command: Command, callers: dict[str, Caller], how: str, name: str
) -> None:
    caller = callers[name]
    result = command(caller, "ingest", "rollback", "--run-id", RUN, how)
    # The client takes this for a success, whatever is answered.
    assert (result.code, result.has_traceback) == (0, False), result.text
    assert "Failed to execute operation" in result.out
    assert caller.words in result.out
    assert "Rolling back" not in result.out and TAG not in result.out
