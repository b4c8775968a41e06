"""Ingestion of a file in all modes of the client, and the runs that it leaves."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from datahub.ingestion.graph.client import DataHubGraph
from datahub.ingestion.graph.config import DatahubClientConfig
from datahub.metadata.schema_classes import DatasetProfileClass

import records
from commands import Result, environment, run, run_forked
from service import Service

# How records are sent: mode and endpoint of the sink.
MODES: dict[str, tuple[str, str | None]] = {
    "sync": ("SYNC", None),
    "async": ("ASYNC", None),
    "batch": ("ASYNC_BATCH", None),
    "openapi": ("ASYNC_BATCH", "OPENAPI"),
    "openapi-sync": ("SYNC", "OPENAPI"),
}


def sink(service: Service, mode: str) -> dict[str, Any]:
    """A sink as in a recipe, with the token in it."""
    how, endpoint = MODES[mode]
    config = {"server": service.url, "token": service.token, "mode": how}
    if endpoint:
        config["endpoint"] = endpoint
    return {"type": "datahub-rest", "config": config}


def recipe(home: Path, what: list[records.Record], run_id: str, sink: Any | None) -> Path:
    """A recipe for these records."""
    file = home / f"{run_id}.json"
    records.write(what, file)
    source = {"type": "file", "config": {"path": str(file)}}
    content = {"run_id": run_id, "source": source, **({"sink": sink} if sink else {})}
    path = home / f"{run_id}.recipe.json"
    path.write_text(json.dumps(content))
    return path


def succeeded(result: Result, number: int) -> None:
    """An ingestion that must have succeeded, with at least so many records."""
    assert result.code == 0, result.text
    assert not result.has_traceback, result.text
    assert "Pipeline finished successfully" in result.out, result.text
    assert "'failures': [{" not in result.out, result.text
    assert "'warnings': [{" not in result.out, result.text
    assert f"'events_produced': {number}," in result.out, result.text


def all_there(service: Service, what: list[records.Record]) -> None:
    """Reads every record back, and compares it."""
    urns = list(dict.fromkeys(str(record.entityUrn) for record in what))
    there = {urn: service.aspects(urn) for urn in urns}
    for record in what:
        aspects = there[str(record.entityUrn)]
        assert aspects is not None, record.entityUrn
        assert aspects[str(record.aspectName)] == records.value(record), record.entityUrn
    wanted = {(record.entityUrn, record.aspectName) for record in what}
    found = {(urn, name) for urn, aspects in there.items() for name in aspects or ()}
    # Keys follow from urns, and users have a status.
    extra = {name for _, name in found - wanted if not name.endswith("Key")}
    assert extra <= {"status", "corpUserStatus"}


@pytest.mark.parametrize("mode", MODES)
def test_every_record_of_a_file_arrives(service: Service, home: Path, mode: str) -> None:
    what = records.make(mode)
    assert len(what) > 300
    series = records.series(mode)
    path = recipe(home, what + series, f"run-{mode}", sink(service, mode))
    variables = environment(home, service.url, None)
    result = run(["ingest", "-c", str(path)], variables)
    succeeded(result, len(what) + len(series))
    assert service.token not in result.text
    all_there(service, what)

    # And once more with the client's own reading, which checks every value against its model.
    graph = DataHubGraph(DatahubClientConfig(server=service.url, token=service.token))
    for record in what[::5]:
        assert record.aspect is not None
        read = graph.get_aspect(str(record.entityUrn), type(record.aspect))
        assert read == record.aspect
    profiles = graph.get_timeseries_values(
        str(series[0].entityUrn), DatasetProfileClass, filter={}, limit=10
    )
    assert [profile.rowCount for profile in profiles] == [102, 101, 100]

    # The report of the run came along, and tells nobody the token.
    reports = [
        entity["dataHubExecutionRequestResult"]["value"]
        for entity in service.entities("dataHubExecutionRequest")
        if f"run-{mode}.json" in json.dumps(entity)
    ]
    assert [report["status"] for report in reports] == ["SUCCESS"]
    assert service.token not in json.dumps(service.state())


def test_doing_it_again_changes_nothing(service: Service, home: Path) -> None:
    what = records.make("again")
    for mode in ("batch", "openapi", "sync"):
        path = recipe(home, what, f"again-{mode}", sink(service, mode))
        succeeded(run_forked(["ingest", "-c", str(path)], environment(home, None, None)), len(what))
        all_there(service, what)


def test_a_recipe_without_a_sink_goes_where_the_environment_says(
    service: Service, home: Path
) -> None:
    what = records.make("nosink")
    path = recipe(home, what, "run-nosink", None)
    variables = environment(home, service.url, service.token)
    succeeded(run_forked(["ingest", "-c", str(path)], variables), len(what))
    all_there(service, what)


def test_runs_are_listed_with_what_they_wrote(service: Service, home: Path) -> None:
    variables = environment(home, service.url, service.token)
    what = records.make("listed")
    path = recipe(home, what, "run-listed", sink(service, "batch"))
    succeeded(run_forked(["ingest", "-c", str(path)], variables), len(what))
    listed = run(["ingest", "list-runs"], variables)
    assert listed.code == 0 and not listed.has_traceback, listed.text
    found = re.search(r"^\| run-listed +\| +(\d+) \|", listed.out, re.MULTILINE)
    assert found, listed.out
    # Besides the records at most a key for each entity, and some for the report.
    urns = {record.entityUrn for record in what}
    assert len(what) <= int(found[1]) <= len(what) + len(urns) + 10

    arguments = ["ingest", "show", "--run-id", "run-listed", "--count", "1000"]
    shown = run_forked(arguments, variables)
    assert shown.code == 0 and not shown.has_traceback, shown.text
    for urn in urns:
        assert f"| {urn} " in shown.out, urn


def test_a_run_can_be_taken_back(service: Service, home: Path) -> None:
    variables = environment(home, service.url, service.token)
    what = records.make("back")
    # What one of them had before comes back, and what was not there goes.
    before = records.urn_of_table("back", 1)
    properties = {"name": "before", "description": "before", "customProperties": {}, "tags": []}
    entity = [{"urn": before, "datasetProperties": {"value": properties}}]
    assert service.send("POST", "/openapi/v3/entity/dataset", entity)[0] == 200
    kept = service.aspects(before)
    path = recipe(home, what, "run-back", sink(service, "batch"))
    succeeded(run_forked(["ingest", "-c", str(path)], variables), len(what))
    all_there(service, what)
    there = service.entities("dataset")

    arguments = ["ingest", "rollback", "--run-id", "run-back"]
    looked = run_forked([*arguments, "--dry-run"], variables)
    assert looked.code == 0 and not looked.has_traceback, looked.text
    assert "This rollback will delete " in looked.out
    assert service.entities("dataset") == there
    # Who does not confirm it does not mean it.
    assert run_forked(arguments, variables, "n\n").code == 1
    assert service.entities("dataset") == there

    done = run([*arguments, "--force"], variables)
    assert done.code == 0 and not done.has_traceback, done.text
    assert "This rollback  deleted " in done.out and "aspects reverted by this run" in done.out
    assert service.aspects(before) == kept
    users = ("urn:li:corpuser:", "urn:li:corpGroup:")
    for urn in {str(record.entityUrn) for record in what} - {before}:
        left = service.aspects(urn)
        # That a user or group is there is not taken back.
        names = {name for name in left or () if name not in ("status", "corpUserStatus")}
        assert left is None or (urn.startswith(users) and all(n.endswith("Key") for n in names)), (
            urn,
            left,
        )


def test_old_snapshots_arrive_in_every_mode(service: Service, home: Path) -> None:
    for mode in ("sync", "async", "batch"):
        events = records.snapshots(f"legacy-{mode}")
        user, dataset = records.urns_of_snapshots(f"legacy-{mode}")
        path = recipe(home, [], f"legacy-{mode}", sink(service, mode))
        (home / f"legacy-{mode}.json").write_text(json.dumps(events))
        result = run_forked(["ingest", "-c", str(path)], environment(home, None, None))
        assert result.code == 0 and not result.has_traceback, result.text
        aspects = service.aspects(user)
        assert aspects is not None and aspects["corpUserInfo"]["displayName"] == "Legacy"
        aspects = service.aspects(dataset)
        assert aspects is not None and aspects["status"] == {"removed": False}
        assert aspects["datasetProperties"]["description"] == "from a snapshot"
