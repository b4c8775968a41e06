"""The client's `DataHubClient`."""

from collections.abc import Iterator

import pytest
from datahub.errors import ItemNotFoundError, SdkUsageError
from datahub.ingestion.graph.client import get_default_graph
from datahub.sdk import Chart, DataHubClient, Dataset
from datahub.specific.dataset import DatasetPatchBuilder

from service import Service


@pytest.fixture
def client(service: Service) -> DataHubClient:
    return DataHubClient(server=service.url, token=service.token)


@pytest.fixture
def from_env(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataHubClient]:
    """A client that finds everything in the environment."""
    get_default_graph.cache_clear()
    monkeypatch.setenv("DATAHUB_GMS_URL", service.url)
    monkeypatch.setenv("DATAHUB_GMS_TOKEN", service.token)
    client = DataHubClient.from_env()
    monkeypatch.undo()
    # The client keeps it for the whole process.
    get_default_graph.cache_clear()
    yield client


def dataset(name: str, description: str = "as it was") -> Dataset:
    return Dataset(
        platform="hive",
        name=name,
        description=description,
        schema=[("id", "bigint", "the id"), ("who", "string", "Jörg")],
        tags=["urn:li:tag:pii"],
        custom_properties={"team": "sales"},
    )


def test_upsert_get_update_delete(service: Service, client: DataHubClient) -> None:
    client.test_connection()
    table = dataset("sdk.one")
    client.entities.upsert(table)
    aspects = service.aspects(str(table.urn))
    assert aspects is not None
    assert aspects["editableDatasetProperties"]["description"] == "as it was"

    read = client.entities.get(table.urn)
    assert isinstance(read, Dataset)
    assert read.description == "as it was"
    assert [field.field_path for field in read.schema] == ["id", "who"]
    assert read.custom_properties == {"team": "sales"}
    assert [str(tag.tag) for tag in read.tags or []] == ["urn:li:tag:pii"]

    read.set_description("changed")
    read.set_display_name("One")
    client.entities.update(read)
    changed = client.entities.get(table.urn)
    assert (changed.description, changed.display_name) == ("changed", "One")
    assert changed.custom_properties == {"team": "sales"}

    patch = DatasetPatchBuilder(str(table.urn)).add_custom_property("tier", "gold")
    client.entities.update(patch)
    patched = client.entities.get(table.urn)
    assert patched.custom_properties == {"team": "sales", "tier": "gold"}
    assert patched.description == "changed"

    client.entities.delete(table.urn)
    aspects = service.aspects(str(table.urn))
    assert aspects is not None and aspects["status"] == {"removed": True}
    client.entities.delete(table.urn, hard=True)
    assert service.aspects(str(table.urn)) is None
    with pytest.raises(ItemNotFoundError):
        client.entities.get(table.urn)
    with pytest.raises(SdkUsageError):
        client.entities.delete(table.urn)


def test_create_is_for_what_is_not_there(service: Service, client: DataHubClient) -> None:
    table = dataset("sdk.created", "first")
    client.entities.create(table)
    with pytest.raises(SdkUsageError, match="already exists"):
        client.entities.create(dataset("sdk.created", "second"))
    aspects = service.aspects(str(table.urn))
    assert aspects is not None
    assert aspects["editableDatasetProperties"]["description"] == "first"


def test_create_loses_against_who_was_faster(
    service: Service, client: DataHubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = dataset("sdk.raced", "first")
    client.entities.create(table)
    # As if somebody else made it between looking and making.
    monkeypatch.setattr(client._graph, "exists", lambda urn: False)
    with pytest.raises(Exception, match="Unable to emit metadata to DataHub GMS: .+"):
        client.entities.create(dataset("sdk.raced", "second"))
    aspects = service.aspects(str(table.urn))
    assert aspects is not None
    assert aspects["editableDatasetProperties"]["description"] == "first"


def test_charts(client: DataHubClient) -> None:
    chart = Chart(platform="looker", name="sdk", display_name="SDK", description="<b>bold</b>")
    client.entities.upsert(chart)
    read = client.entities.get(chart.urn)
    assert isinstance(read, Chart)
    assert (read.display_name, read.description) == ("SDK", "<b>bold</b>")


def test_from_env(service: Service, from_env: DataHubClient) -> None:
    table = dataset("sdk.env")
    from_env.entities.upsert(table)
    read = from_env.entities.get(table.urn)
    assert read.description == "as it was"
    read.set_description("changed")
    from_env.entities.update(read)
    aspects = service.aspects(str(table.urn))
    assert aspects is not None
    assert aspects["editableDatasetProperties"]["description"] == "changed"
    from_env.entities.delete(table.urn, hard=True)
    assert service.aspects(str(table.urn)) is None


def test_search(client: DataHubClient) -> None:
    tables = [dataset(f"sdk.searched_{number}") for number in range(3)]
    for table in tables:
        client.entities.upsert(table)
    found = [str(urn) for urn in client.search.get_urns()]
    assert {str(table.urn) for table in tables} <= set(found)
    assert len(found) == len(set(found))
