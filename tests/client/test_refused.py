"""Commands and calls of those whom the service refuses: the client says so in its best way, at
once, and nothing has been written.

The commands run in forks, which are quicker; a few of them run as everybody does, too.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from datahub.configuration.common import OperationalError
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.emitter.rest_emitter import DatahubRestEmitter
from datahub.ingestion.graph.client import DataHubGraph
from datahub.ingestion.graph.config import DatahubClientConfig
from datahub.metadata import schema_classes as models
from datahub.sdk import DataHubClient, Dataset
from datahub.specific.dataset import DatasetPatchBuilder

from callers import READER, UNKNOWN, Caller, make
from commands import TRACEBACK, Result, environment, run, run_forked
from service import Service

# A repeated request would take 28 s at least.
SECONDS = 25
TAG = "urn:li:tag:kept"
TABLE = "urn:li:dataset:(urn:li:dataPlatform:hive,db.kept,PROD)"
NEW_TAG = "urn:li:tag:refused"
NEW_TABLE = "urn:li:dataset:(urn:li:dataPlatform:hive,db.refused,PROD)"
REFUSED = (*UNKNOWN, READER)


@pytest.fixture(scope="module")
def callers(service: Service) -> dict[str, Caller]:
    """All who are refused, and a tag and a table that are not for them to change."""
    properties = {"value": {"name": "kept", "tags": []}}
    table = [{"urn": TABLE, "datasetProperties": properties}]
    assert service.send("POST", "/openapi/v3/entity/dataset", table)[0] == 200
    tag = [{"urn": TAG, "tagProperties": {"value": {"name": "kept"}}}]
    assert service.send("POST", "/openapi/v3/entity/tag", tag)[0] == 200
    return make(service)


@pytest.fixture(autouse=True)
def nothing_changes(service: Service, callers: dict[str, Caller]) -> Iterator[None]:
    """Whatever a test does: afterwards everything is as it was, half of it neither."""
    before = service.state([TABLE, NEW_TABLE])
    assert before["tokens"] >= 1
    yield
    assert service.state([TABLE, NEW_TABLE]) == before


Command = Callable[..., Result]


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


def last_line(result: Result) -> str:
    return result.err.strip().splitlines()[-1]


def refused_with_status(result: Result, caller: Caller) -> None:
    """The client's way where it has no better one: the status, at the end of a traceback."""
    assert result.code == 1, result.text
    assert last_line(result).startswith(
        f"requests.exceptions.HTTPError: {caller.status} Client Error: {caller.reason} for url: "
    ), result.text


# Reading: whoever is nobody to the service reads nothing.


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("what", ["get", "exists"])
def test_reading(command: Command, callers: dict[str, Caller], what: str, name: str) -> None:
    caller = callers[name]
    result = command(caller, what, "--urn", TAG)
    refused_with_status(result, caller)
    assert result.out == ""


def test_a_reader_reads(command: Command, callers: dict[str, Caller]) -> None:
    reader = callers[READER]
    got = command(reader, "get", "--urn", TAG)
    assert got.code == 0, got.text
    assert json.loads(got.out)["tagProperties"] == {"name": "kept"}
    assert json.loads(command(reader, "exists", "--urn", TAG).out) is True
    me = command(reader, "graphql", "--query", "{ me { corpUser { urn } } }")
    assert json.loads(me.out)["me"]["corpUser"]["urn"] == "urn:li:corpuser:reader"
    assert "createAccessToken" in command(reader, "graphql", "--list-operations").out
    runs = command(reader, "ingest", "list-runs")
    assert runs.code == 0 and "runId" in runs.out, runs.text


@pytest.mark.parametrize("name", UNKNOWN)
def test_listing_runs(command: Command, callers: dict[str, Caller], name: str) -> None:
    caller = callers[name]
    result = command(caller, "ingest", "list-runs")
    assert result.code == 0
    assert not result.has_traceback, result.text
    assert "Received error, please check your ~/.datahubenv" in result.out
    assert caller.words in result.out
    assert "'status': 401" in result.out


# Writing: the reader does not write either.


@pytest.mark.parametrize("name", REFUSED)
def test_put(command: Command, callers: dict[str, Caller], name: str) -> None:
    caller = callers[name]
    arguments = ["put", "--urn", NEW_TAG, "-a", "tagProperties", "-d", "-"]
    result = command(caller, *arguments, stdin=json.dumps({"name": "refused"}))
    refused_with_status(result, caller)
    # The reason comes first.
    first = result.err.splitlines()[0]
    assert " INFO " in first and caller.words in first, result.text


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    "how, begin, failed",
    [
        (["--soft"], "Soft", "Unable to emit metadata to DataHub GMS: "),
        (["--hard", "--force"], "Hard", "Unable to get metadata from DataHub"),
    ],
    ids=["soft", "hard"],
)
def test_delete(
    command: Command,
    callers: dict[str, Caller],
    how: list[str],
    begin: str,
    failed: str,
    name: str,
) -> None:
    caller = callers[name]
    result = command(caller, "delete", "--urn", TABLE, *how)
    assert result.code == 0
    assert not result.has_traceback, result.text
    assert f"Error processing URN {TABLE}: ('{failed}" in result.out, result.text
    assert caller.words in result.out
    assert f"'status': {caller.status}" in result.out
    assert f"{begin} deleted 0 entities" in result.out


@pytest.mark.parametrize("name", REFUSED)
def test_user_upsert(command: Command, callers: dict[str, Caller], home: Path, name: str) -> None:
    caller = callers[name]
    file = home / "users.yaml"
    file.write_text("- id: refused\n  display_name: Refused\n  email: refused@example.com\n")
    result = command(caller, "user", "upsert", "-f", str(file))
    assert result.code == 0
    assert not result.has_traceback, result.text
    assert "Update failed for id refused. due to " in result.out
    assert "Update succeeded" not in result.text
    assert caller.words in result.text


# GraphQL.


def graphql_error(result: Result) -> dict[str, str]:
    """What the command printed for programs, which has to be a refusal."""
    assert result.code == 4, result.text
    assert result.out == ""
    assert not result.has_traceback, result.text
    error: dict[str, str] = json.loads(last_line(result))
    assert error["error"] == "permission_denied"
    return error


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize(
    "arguments",
    [
        ["--query", "{ me { corpUser { urn } } }"],
        ["--operation", "me"],
        ["--list-operations"],
        ["--describe", "createAccessToken"],
    ],
    ids=["query", "operation", "list", "describe"],
)
def test_graphql(
    command: Command, callers: dict[str, Caller], arguments: list[str], name: str
) -> None:
    caller = callers[name]
    error = graphql_error(command(caller, "graphql", *arguments))
    assert caller.words in error["message"]
    assert "'status': 401" in error["message"]


MUTATIONS = {
    "a token of root": """mutation { createAccessToken(input: {
        type: PERSONAL, actorUrn: "urn:li:corpuser:datahub", duration: ONE_HOUR, name: "refused"
    }) { accessToken } }""",
    "a service account": """mutation { createServiceAccount(input: {
        displayName: "refused"
    }) { urn } }""",
    "suspending root": """mutation {
        updateUserStatus(urn: "urn:li:corpuser:datahub", status: SUSPENDED)
    }""",
    "revoking a token": """mutation {
        revokeAccessToken(tokenId: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    }""",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutations(command: Command, callers: dict[str, Caller], mutation: str, name: str) -> None:
    caller = callers[name]
    error = graphql_error(command(caller, "graphql", "--query", MUTATIONS[mutation]))
    if name == READER:
        assert "Please contact your DataHub administrator." in error["message"]
        assert "'code': 403" in error["message"]
    else:
        assert caller.words in error["message"]


# Ingestion.

ERROR = "datahub.configuration.common.OperationalError"
LOGGED = re.compile("failed to write record with workunit|Reporting failed on ")
MODES = {
    "sync": {"mode": "SYNC"},
    "async": {"mode": "ASYNC"},
    "batch": {"mode": "ASYNC_BATCH"},
    "openapi": {"mode": "ASYNC_BATCH", "endpoint": "OPENAPI"},
}


def recipe(service: Service, home: Path, caller: Caller, mode: str) -> str:
    """A recipe for twelve records of a caller."""
    names = [f"refused-{number}" for number in range(12)]
    rows = [
        {
            "entityType": "tag",
            "entityUrn": f"urn:li:tag:{name}",
            "changeType": "UPSERT",
            "aspectName": "tagProperties",
            "aspect": {"json": {"name": name}},
        }
        for name in names
    ]
    (home / "records.json").write_text(json.dumps(rows))
    config = {"server": service.url, **MODES[mode]}
    if caller.token:
        config["token"] = caller.token
    path = home / "recipe.json"
    path.write_text(
        json.dumps(
            {
                "source": {"type": "file", "config": {"path": str(home / "records.json")}},
                "sink": {"type": "datahub-rest", "config": config},
            }
        )
    )
    return str(path)


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
    logged_tracebacks_only(result, caller)
    reason = f"Unable to emit metadata to DataHub GMS: .*{re.escape(caller.words)}"
    if mode == "sync":
        # The client takes this for a success, whatever is answered.
        assert result.code == 0
        assert "Pipeline finished successfully" in result.out
        assert result.err.count("failed to write record with workunit") == 12
        assert re.search(reason, result.err), result.text
    else:
        assert result.code == 1, result.text
        assert re.search(r"Pipeline finished with at least \d+ failures", result.out), result.text
        assert re.search(rf"'error': [\"']{reason}", result.out), result.text
        assert f"'status': {caller.status}" in result.out
    assert "'total_records_written': 0," in result.out


# As everybody does.


def test_a_bad_login_is_noticed_at_the_next_command(
    service: Service, callers: dict[str, Caller], home: Path
) -> None:
    revoked = callers["revoked"]
    assert revoked.token is not None
    variables = environment(home, None, None)
    init = run(["init", "--host", service.url, "--token", revoked.token], variables)
    assert init.code == 0, init.text
    assert revoked.token in (home / ".datahubenv").read_text()
    result = run(["get", "--urn", TAG], variables)
    assert result.seconds < SECONDS
    refused_with_status(result, revoked)


def test_refusals_as_processes(
    command: Command, service: Service, callers: dict[str, Caller], home: Path
) -> None:
    expired, reader = callers["expired"], callers[READER]
    arguments = ["put", "--urn", NEW_TAG, "-a", "tagProperties", "-d", "-"]
    result = command(reader, *arguments, stdin='{"name": "refused"}', how=run)
    refused_with_status(result, reader)
    assert reader.words in result.err

    query = ["graphql", "--query", "{ me { corpUser { urn } } }"]
    error = graphql_error(command(expired, *query, how=run))
    assert expired.words in error["message"]

    result = command(reader, "delete", "--urn", TABLE, "--hard", "--force", how=run)
    assert (result.code, result.has_traceback) == (0, False), result.text
    assert "Hard deleted 0 entities" in result.out and reader.words in result.out

    path = recipe(service, home, expired, "batch")
    result = command(expired, "ingest", "-c", path, how=run)
    assert result.code == 1
    assert "Pipeline finished with at least" in result.out and expired.words in result.out


# The Python objects.


def tag(name: str) -> MetadataChangeProposalWrapper:
    return MetadataChangeProposalWrapper(
        entityUrn=f"urn:li:tag:{name}", aspect=models.TagPropertiesClass(name=name)
    )


def profile() -> MetadataChangeProposalWrapper:
    return MetadataChangeProposalWrapper(
        entityUrn=TABLE, aspect=models.DatasetProfileClass(timestampMillis=1, rowCount=1)
    )


Call = Callable[[str, str], Any]


def graph(url: str, token: str) -> DataHubGraph:
    return DataHubGraph(DatahubClientConfig(server=url, token=token))


def openapi(url: str, token: str) -> DatahubRestEmitter:
    return DatahubRestEmitter(url, token, openapi_ingestion=True)


def sdk(url: str, token: str) -> DataHubClient:
    return DataHubClient(server=url, token=token)


TAGS = [tag("refused-1"), tag("refused-2")]
NEW = Dataset(platform="hive", name="db.refused", description="refused")

# Reads that show no more than the status of an answer.
READS: dict[str, Call] = {
    "get_aspect": lambda u, t: graph(u, t).get_aspect(TAG, models.TagPropertiesClass),
    "exists": lambda u, t: graph(u, t).exists(TAG),
    "get_entity_raw": lambda u, t: graph(u, t).get_entity_raw(TAG),
    "entities.get": lambda u, t: sdk(u, t).entities.get(TABLE),
}

# Reads that show what the service says.
QUERIES: dict[str, Call] = {
    "execute_graphql": lambda u, t: graph(u, t).execute_graphql("{ me { corpUser { urn } } }"),
    "get_urns_by_filter": lambda u, t: list(graph(u, t).get_urns_by_filter(entity_types=["tag"])),
    "get_timeseries_values": lambda u, t: graph(u, t).get_timeseries_values(
        TABLE, models.DatasetProfileClass, filter={}
    ),
}

# Writes of proposals.
EMITS: dict[str, Call] = {
    "emit_mcp": lambda u, t: DatahubRestEmitter(u, t).emit_mcp(tag("refused")),
    "emit_mcps": lambda u, t: DatahubRestEmitter(u, t).emit_mcps(TAGS),
    "emit_mcps of two kinds": lambda u, t: DatahubRestEmitter(u, t).emit_mcps([*TAGS, profile()]),
    "openapi emit_mcp": lambda u, t: openapi(u, t).emit_mcp(tag("refused")),
    "openapi emit_mcps": lambda u, t: openapi(u, t).emit_mcps(TAGS),
    "series": lambda u, t: DatahubRestEmitter(u, t).emit_mcp(profile()),
    "graph.emit": lambda u, t: graph(u, t).emit(tag("refused")),
    "soft_delete_entity": lambda u, t: graph(u, t).soft_delete_entity(TABLE),
}

# Writes of other kinds.
DELETES: dict[str, Call] = {
    "hard_delete_entity": lambda u, t: graph(u, t).hard_delete_entity(TABLE),
    "delete_references_to_urn": lambda u, t: graph(u, t).delete_references_to_urn(TAG),
}

# Writes that look first.
SDK: dict[str, Call] = {
    "entities.upsert": lambda u, t: sdk(u, t).entities.upsert(NEW),
    "entities.create": lambda u, t: sdk(u, t).entities.create(NEW),
    "entities.update": lambda u, t: sdk(u, t).entities.update(
        DatasetPatchBuilder(TABLE).set_description("refused")
    ),
    "entities.delete": lambda u, t: sdk(u, t).entities.delete(TABLE),
}


def refused_call(service: Service, caller: Caller, call: Call, error: type[Exception]) -> Any:
    """What a call raises that must be refused at once."""
    begun = time.monotonic()
    with pytest.raises(error) as raised:
        call(service.url, caller.token)  # type: ignore[arg-type]
    assert time.monotonic() - begun < SECONDS
    assert type(raised.value) is error, raised.value
    return raised.value


def refused_read(service: Service, caller: Caller, call: Call) -> None:
    error = refused_call(service, caller, call, requests.HTTPError)
    assert error.response.status_code == caller.status
    assert caller.words in error.response.json()["message"]


def refused_query(service: Service, caller: Caller, call: Call, message: str) -> None:
    error = refused_call(service, caller, call, OperationalError)
    assert error.message == message.format(error.info["message"])
    assert caller.words in error.info["message"]
    assert error.info["status"] == caller.status


EMIT_FAILED = "Unable to emit metadata to DataHub GMS: {}"
GET_FAILED = "Unable to get metadata from DataHub"


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("call", READS)
def test_reads(service: Service, callers: dict[str, Caller], call: str, name: str) -> None:
    refused_read(service, callers[name], READS[call])


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("call", QUERIES)
def test_queries(service: Service, callers: dict[str, Caller], call: str, name: str) -> None:
    refused_query(service, callers[name], QUERIES[call], GET_FAILED)


@pytest.mark.parametrize("call", [*READS, *QUERIES])
def test_reads_of_a_reader(service: Service, callers: dict[str, Caller], call: str) -> None:
    token = callers[READER].token
    assert token is not None
    found = (READS | QUERIES)[call](service.url, token)
    if call == "get_timeseries_values":
        assert found == []
    else:
        assert found


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("call", EMITS)
def test_emits(service: Service, callers: dict[str, Caller], call: str, name: str) -> None:
    refused_query(service, callers[name], EMITS[call], EMIT_FAILED)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("call", DELETES)
def test_deletes(service: Service, callers: dict[str, Caller], call: str, name: str) -> None:
    refused_query(service, callers[name], DELETES[call], GET_FAILED)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("call", SDK)
def test_sdk(service: Service, callers: dict[str, Caller], call: str, name: str) -> None:
    if name == READER:
        refused_query(service, callers[name], SDK[call], EMIT_FAILED)
    else:
        refused_read(service, callers[name], SDK[call])


@pytest.mark.parametrize("name", REFUSED)
def test_an_entity_that_was_read_before(
    service: Service, callers: dict[str, Caller], name: str
) -> None:
    table = sdk(service.url, service.token).entities.get(TABLE)
    assert isinstance(table, Dataset)
    table.set_description("refused")
    refused_query(
        service, callers[name], lambda u, t: sdk(u, t).entities.update(table), EMIT_FAILED
    )


@pytest.mark.parametrize("name", REFUSED)
def test_connections_can_be_tested_by_everybody(
    service: Service, callers: dict[str, Caller], name: str
) -> None:
    token = callers[name].token
    DatahubRestEmitter(service.url, token).test_connection()
    DataHubGraph(DatahubClientConfig(server=service.url, token=token)).test_connection()
