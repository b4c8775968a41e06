"""Python calls of those whom the service refuses: what is raised says so, at once, and nothing has
been written."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from datahub.configuration.common import GraphError, OperationalError
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.emitter.rest_emitter import DatahubRestEmitter
from datahub.ingestion.graph.client import DataHubGraph, get_default_graph
from datahub.ingestion.graph.config import DatahubClientConfig
from datahub.metadata import schema_classes as models
from datahub.sdk import DataHubClient, Dataset
from datahub.specific.dataset import DatasetPatchBuilder

from callers import READER, UNKNOWN, Caller
from refused import REFUSED, SECONDS, TABLE, TAG
from service import (
    CREATE_TOKEN,
    LIST_TOKENS,
    PROBE,
    REVOKE_TOKEN,
    ROOT,
    TOKEN_METADATA,
    Service,
)

pytestmark = pytest.mark.usefixtures("nothing_changes")


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


def from_env(url: str, token: str | None) -> DataHubClient:
    """A client that finds everything in the environment, which it would do once in a process."""
    get_default_graph.cache_clear()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATAHUB_GMS_URL", url)
        if token:
            environment.setenv("DATAHUB_GMS_TOKEN", token)
        else:
            environment.delenv("DATAHUB_GMS_TOKEN", raising=False)
        client = DataHubClient.from_env()
    get_default_graph.cache_clear()
    return client


def emit_patch(emitter: DatahubRestEmitter) -> None:
    for proposal in DatasetPatchBuilder(TABLE).set_description("refused").build():
        emitter.emit(proposal)


def deletion() -> MetadataChangeProposalWrapper:
    delete = models.ChangeTypeClass.DELETE
    return MetadataChangeProposalWrapper(
        entityUrn=TABLE, aspectName="datasetKey", changeType=delete
    )


TAGS = [tag("refused-1"), tag("refused-2")]
NEW = Dataset(platform="hive", name="db.refused", description="refused")

# Reads that show no more than the status of an answer.
READS: dict[str, Call] = {
    "get_aspect": lambda u, t: graph(u, t).get_aspect(TAG, models.TagPropertiesClass),
    "exists": lambda u, t: graph(u, t).exists(TAG),
    "get_entity_raw": lambda u, t: graph(u, t).get_entity_raw(TAG),
    "entities.get": lambda u, t: sdk(u, t).entities.get(TABLE),
    "from_env": lambda u, t: from_env(u, t).entities.get(TABLE),
}

# Reads that show what the service says.
QUERIES: dict[str, Call] = {
    "execute_graphql": lambda u, t: graph(u, t).execute_graphql("{ me { corpUser { urn } } }"),
    "get_urns_by_filter": lambda u, t: list(graph(u, t).get_urns_by_filter(entity_types=["tag"])),
    "search.get_urns": lambda u, t: list(sdk(u, t).search.get_urns()),
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
    "openapi delete": lambda u, t: openapi(u, t).emit_mcp(deletion()),
    "openapi patch": lambda u, t: emit_patch(openapi(u, t)),
    "delete": lambda u, t: DatahubRestEmitter(u, t).emit_mcp(deletion()),
    "patch": lambda u, t: emit_patch(DatahubRestEmitter(u, t)),
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
    "entities.delete hard": lambda u, t: sdk(u, t).entities.delete(TABLE, hard=True),
    "from_env": lambda u, t: from_env(u, t).entities.upsert(NEW),
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
        failed = GET_FAILED if call == "entities.delete hard" else EMIT_FAILED
        refused_query(service, callers[name], SDK[call], failed)
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


# The life of a token.

TOKENS: dict[str, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
    "create": (
        CREATE_TOKEN,
        lambda _text, _id: {
            "input": {
                "type": "PERSONAL",
                "actorUrn": ROOT,
                "duration": "ONE_HOUR",
                "name": "refused",
            }
        },
    ),
    "list": (
        LIST_TOKENS,
        lambda _text, _id: {
            "input": {
                "start": 0,
                "count": 10,
                "filters": [{"field": "ownerUrn", "values": [ROOT]}],
            }
        },
    ),
    "metadata": (TOKEN_METADATA, lambda text, _id: {"token": text}),
    "revoke": (REVOKE_TOKEN, lambda _text, token_id: {"tokenId": token_id}),
}


@pytest.fixture(scope="module")
def token_of_root(service: Service, callers: dict[str, Caller]) -> tuple[str, str]:
    """A token that is not for the refused to see: its text and its id."""
    return service.create_token(ROOT, "of root")


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("step", TOKENS)
def test_tokens(
    service: Service,
    callers: dict[str, Caller],
    token_of_root: tuple[str, str],
    step: str,
    name: str,
) -> None:
    text, token_id = token_of_root
    query, variables = TOKENS[step]

    def call(url: str, token: str) -> Any:
        return graph(url, token).execute_graphql(query, variables(text, token_id))

    if name == READER:
        error = refused_call(service, callers[name], call, GraphError)
        assert "Please contact your DataHub administrator." in str(error)
        assert "'code': 403" in str(error)
    else:
        refused_query(service, callers[name], call, GET_FAILED)
    status, _ = service.send("GET", PROBE, token=text)
    assert status == 200
