"""The client's `DatahubRestEmitter` and `DataHubGraph`."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from datahub.configuration.common import OperationalError
from datahub.emitter.mcp import MetadataChangeProposalWrapper as Record
from datahub.emitter.rest_emitter import DatahubRestEmitter
from datahub.ingestion.graph.client import DataHubGraph
from datahub.ingestion.graph.config import DatahubClientConfig
from datahub.ingestion.graph.filters import RemovedStatusFilter
from datahub.metadata import schema_classes as models
from datahub.specific.dataset import DatasetPatchBuilder

from service import ROOT, Service, soon

TIME = 1_700_000_000_000
DAY = 86_400_000


def urn(name: str, platform: str = "hive", env: str = "PROD") -> str:
    return f"urn:li:dataset:(urn:li:dataPlatform:{platform},{name},{env})"


def properties(urn: str, description: str = "as it was") -> Record:
    return Record(
        entityUrn=urn, aspect=models.DatasetPropertiesClass(description=description, name="n")
    )


def status(urn: str, removed: bool) -> Record:
    return Record(entityUrn=urn, aspect=models.StatusClass(removed=removed))


@pytest.fixture
def graph(service: Service) -> DataHubGraph:
    return DataHubGraph(DatahubClientConfig(server=service.url, token=service.token))


@pytest.fixture(params=["restli", "openapi"])
def emitter(service: Service, request: pytest.FixtureRequest) -> DatahubRestEmitter:
    """An emitter for each of the two interfaces of the service."""
    emitter = DatahubRestEmitter(
        service.url, service.token, openapi_ingestion=request.param == "openapi"
    )
    emitter.test_connection()
    return emitter


def test_emitted_proposals_arrive(service: Service, emitter: DatahubRestEmitter) -> None:
    one = urn(f"one_{emitter._openapi_ingestion}")
    emitter.emit_mcp(properties(one, "first"))
    emitter.emit_mcp(properties(one, "second"))
    aspects = service.aspects(one)
    assert aspects is not None
    assert aspects["datasetProperties"]["description"] == "second"

    many = [urn(f"many_{emitter._openapi_ingestion}_{number}") for number in range(250)]
    emitter.emit_mcps([properties(each) for each in many])
    for each in many[::50] + many[-1:]:
        aspects = service.aspects(each)
        assert aspects is not None
        assert aspects["datasetProperties"]["description"] == "as it was"


def test_emitted_deletes_and_patches_arrive(service: Service, emitter: DatahubRestEmitter) -> None:
    each = urn(f"patched_{emitter._openapi_ingestion}")
    emitter.emit_mcp(properties(each))
    patch = DatasetPatchBuilder(each)
    patch.set_description("patched").add_custom_property("team", "a/b~c")
    patch.add_tag(models.TagAssociationClass(tag="urn:li:tag:x"))
    for proposal in patch.build():
        emitter.emit(proposal)
    aspects = service.aspects(each)
    assert aspects is not None
    assert aspects["datasetProperties"]["description"] == "patched"
    assert aspects["datasetProperties"]["name"] == "n"
    assert aspects["datasetProperties"]["customProperties"] == {"team": "a/b~c"}
    assert [tag["tag"] for tag in aspects["globalTags"]["tags"]] == ["urn:li:tag:x"]

    again = DatasetPatchBuilder(each)
    again.add_tag(models.TagAssociationClass(tag="urn:li:tag:x"))
    again.remove_custom_property("team")
    for proposal in again.build():
        emitter.emit(proposal)
    aspects = service.aspects(each)
    assert aspects is not None
    assert aspects["datasetProperties"]["customProperties"] == {}
    assert [tag["tag"] for tag in aspects["globalTags"]["tags"]] == ["urn:li:tag:x"]

    delete = models.ChangeTypeClass.DELETE
    emitter.emit_mcp(Record(entityUrn=each, aspectName="datasetKey", changeType=delete))
    assert service.aspects(each) is None


def test_non_ascii_urns_of_a_batch(service: Service, emitter: DatahubRestEmitter) -> None:
    each = urn(f"bestellungen_jörg_注文_{emitter._openapi_ingestion}")
    emitter.emit_mcps([properties(each), status(each, False)])
    aspects = service.aspects(each)
    assert aspects is not None
    assert aspects["datasetProperties"]["description"] == "as it was"


def test_a_large_batch_goes_in_one_request(service: Service, emitter: DatahubRestEmitter) -> None:
    # The most that the client puts into one request, which is more than servers take by default.
    each = urn(f"large_{emitter._openapi_ingestion}")
    text = "x" * 14_500_000
    emitter.emit_mcps([properties(each, text)])
    aspects = service.aspects(each)
    assert aspects is not None
    assert aspects["datasetProperties"]["description"] == text


def test_a_request_that_is_too_large_is_refused_with_words(service: Service) -> None:
    each = urn("too_large")
    emitter = DatahubRestEmitter(service.url, service.token)
    begun = time.monotonic()
    with pytest.raises(OperationalError) as raised:
        emitter.emit_mcp(properties(each, "x" * 17 * 1024 * 1024))
    assert time.monotonic() - begun < 25
    assert raised.value.info["status"] == 413
    assert raised.value.info["message"]
    assert service.aspects(each) is None


def test_who_may_write_half_of_a_batch_writes_none(service: Service) -> None:
    actor = service.create_user("tagger")
    token, _ = service.create_token(actor, "tagging")
    service.create_policy("tagger", actor, ["EDIT_ENTITY"], "tag")

    def tag(name: str) -> Record:
        return Record(entityUrn=f"urn:li:tag:{name}", aspect=models.TagPropertiesClass(name=name))

    emitter = DatahubRestEmitter(service.url, token)
    eventually(lambda: emitter.emit_mcp(tag("allowed")))
    assert service.aspects("urn:li:tag:allowed") is not None

    # Both before and after the one that is refused.
    mixed = [tag("half-1"), status(urn("half"), True), tag("half-2")]
    with pytest.raises(OperationalError) as raised:
        emitter.emit_mcps(mixed)
    assert raised.value.info["status"] == 403
    assert actor in raised.value.info["message"]
    for each in ("urn:li:tag:half-1", "urn:li:tag:half-2", urn("half")):
        assert service.aspects(each) is None, each


def eventually(call: Callable[[], Any]) -> None:
    """A call that works a second after it was allowed, or sooner."""

    def works() -> bool:
        try:
            call()
        except OperationalError as error:
            assert error.info["status"] == 403, error
            return False
        return True

    soon(works, time.monotonic(), "the call works", seconds=1.5)


def test_reads(service: Service, graph: DataHubGraph) -> None:
    graph.test_connection()
    each = urn("read")
    graph.emit(properties(each))
    aspect = graph.get_aspect(each, models.DatasetPropertiesClass)
    assert aspect is not None and aspect.description == "as it was"
    assert graph.get_aspect(each, models.OwnershipClass) is None
    key = graph.get_aspect(each, models.DatasetKeyClass)
    wanted = models.DatasetKeyClass(platform="urn:li:dataPlatform:hive", name="read", origin="PROD")
    assert key == wanted
    assert graph.exists(each) is True
    assert graph.exists(urn("nowhere")) is False

    raw = graph.get_entity_raw(each)
    assert raw["urn"] == each and raw["entityName"] == "dataset"
    assert set(raw["aspects"]) == {"datasetKey", "datasetProperties"}
    some = graph.get_entity_raw(each, ["status"])
    assert set(some["aspects"]) <= {"datasetKey"}
    typed = graph.get_entity_semityped(each)
    assert typed["datasetProperties"] == aspect

    absent = graph.get_entity_raw(urn("nowhere"))
    assert set(absent["aspects"]) == {"datasetKey"}


def test_deletes(service: Service, graph: DataHubGraph) -> None:
    each = urn("deleted")
    graph.emit(properties(each))
    graph.soft_delete_entity(each)
    aspects = service.aspects(each)
    assert aspects is not None and aspects["status"] == {"removed": True}
    assert graph.exists(each) is True
    rows, series = graph.hard_delete_entity(each)
    assert rows >= 2 and series == 0
    assert service.aspects(each) is None
    assert graph.exists(each) is False
    # Again: nothing there to delete, and no error.
    assert graph.hard_delete_entity(each) == (0, 0)


def test_references_are_found_and_deleted(service: Service, graph: DataHubGraph) -> None:
    each, tag, other = urn("referring"), "urn:li:tag:referred", "urn:li:tag:other"
    graph.emit(Record(entityUrn=tag, aspect=models.TagPropertiesClass(name="referred")))
    tags = [models.TagAssociationClass(tag=name) for name in (tag, other)]
    graph.emit(Record(entityUrn=each, aspect=models.GlobalTagsClass(tags=tags)))
    number, related = graph.delete_references_to_urn(tag, dry_run=True)
    assert number == 1 and len(related) == 1
    aspects = service.aspects(each)
    assert aspects is not None and len(aspects["globalTags"]["tags"]) == 2
    graph.delete_references_to_urn(tag)
    aspects = service.aspects(each)
    assert aspects is not None
    assert [found["tag"] for found in aspects["globalTags"]["tags"]] == [other]


def test_series(service: Service, graph: DataHubGraph) -> None:
    each = urn("profiled")
    for day in (0, 2, 1):
        profile = models.DatasetProfileClass(timestampMillis=TIME + day * DAY, rowCount=day)
        graph.emit(Record(entityUrn=each, aspect=profile))
        # Repeated, as the client does when it has not heard an answer.
        graph.emit(Record(entityUrn=each, aspect=profile))

    def profiles(**more: Any) -> list[Any]:
        found = graph.get_timeseries_values(each, models.DatasetProfileClass, **more)
        return [profile.rowCount for profile in found]

    assert profiles(filter={}) == [2, 1, 0]
    assert profiles(filter={}, limit=1) == [2]
    latest = graph.get_latest_timeseries_value(each, models.DatasetProfileClass, {})
    assert latest is not None and latest.rowCount == 2
    at = {"field": "timestampMillis", "value": str(TIME + DAY), "condition": "EQUAL"}
    assert profiles(filter={"or": [{"and": [at]}]}) == [1]
    assert graph.exists(each) is True

    nothing = graph.get_timeseries_values(urn("none"), models.DatasetProfileClass, filter={})
    assert nothing == []
    _, series = graph.hard_delete_entity(each)
    assert series == 3
    assert profiles(filter={}) == []


def test_search(graph: DataHubGraph) -> None:
    here, there = urn("found", "snowflake"), urn("found", "kafka", "DEV")
    gone, chart = urn("gone", "snowflake"), "urn:li:chart:(looker,found)"
    graph.emit_mcps([properties(here), properties(there), properties(gone), status(gone, True)])
    stamp = models.AuditStampClass(time=TIME, actor=ROOT)
    stamps = models.ChangeAuditStampsClass(created=stamp, lastModified=stamp)
    info = models.ChartInfoClass(title="found", description="", lastModified=stamps)
    graph.emit(Record(entityUrn=chart, aspect=info))

    def found(**filters: Any) -> list[str]:
        return sorted(graph.get_urns_by_filter(**filters))

    assert found(platform="snowflake") == [here]
    assert found(platform="snowflake", status=RemovedStatusFilter.ALL) == sorted([here, gone])
    removed = RemovedStatusFilter.ONLY_SOFT_DELETED
    assert found(platform="snowflake", status=removed) == [gone]
    assert found(platform="kafka", env="DEV") == [there]
    assert found(platform="kafka", env="PROD") == []
    assert found(entity_types=["chart"]) == [chart]
    everything = found(entity_types=["dataset"])
    assert {here, there} <= set(everything) and gone not in everything
    # In pages, none of them twice.
    assert found(entity_types=["dataset"], batch_size=50) == everything


def test_graphql(graph: DataHubGraph) -> None:
    me = graph.execute_graphql("query me { me { corpUser { urn } } }", operation_name="me")
    assert me == {"me": {"corpUser": {"urn": ROOT}}}
    for query in ("{ me { nope } }", "{ me {", "mutation { createAccessToken { accessToken } }"):
        with pytest.raises(Exception, match="Error executing graphql query"):
            graph.execute_graphql(query)


def test_what_makes_no_sense_is_refused_in_words(service: Service, graph: DataHubGraph) -> None:
    def proposal(**changed: Any) -> dict[str, Any]:
        fields = {
            "entityType": "dataset",
            "entityUrn": urn("nonsense"),
            "changeType": "UPSERT",
            "aspectName": "status",
            "aspect": {"value": '{"removed": false}', "contentType": "application/json"},
        }
        return {"proposal": {**fields, **changed}, "async": "false"}

    nonsense: tuple[Any, ...] = (
        proposal(entityUrn="not an urn"),
        proposal(entityType="chart"),
        proposal(aspectName="nope"),
        proposal(changeType="NOPE"),
        proposal(aspect={"value": "{", "contentType": "application/json"}),
        {"proposal": []},
        {},
    )
    for wrong in nonsense:
        code, answer = service.send("POST", "/aspects?action=ingestProposal", wrong)
        assert code in (400, 404, 422), (wrong, code, answer)
        assert isinstance(answer, dict) and answer["message"], answer
    assert service.aspects(urn("nonsense")) is None
    with pytest.raises(requests.HTTPError):
        graph.get_entity_raw("not an urn")
