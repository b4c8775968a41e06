"""Some hundred records of several entity types, always the same ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datahub.emitter.mcp import MetadataChangeProposalWrapper as Record
from datahub.emitter.serialization_helper import pre_json_transform
from datahub.metadata import schema_classes as models

TIME = 1_700_000_000_000
STAMP = models.AuditStampClass(time=TIME, actor="urn:li:corpuser:datahub")
STAMPS = models.ChangeAuditStampsClass(created=STAMP, lastModified=STAMP)
TABLES = 60
# What must be kept as it is: other scripts, markup, quotes, a right-to-left mark, a line's end.
TEXTS = (
    "plain",
    "Jörg's naïve café",
    "<script>alert('x')</script>",
    'a "quoted" \\ path/with 100%',
    "注文 \u200fשלום\u200e 🦀",
    "two\nlines\tand a tab",
)


def urn_of_table(part: str, number: int) -> str:
    """The urn of a table; some have what urls must escape."""
    name = f"{part}.table {number}+a%b/c" if number % 7 == 0 else f"{part}.table_{number}"
    return f"urn:li:dataset:(urn:li:dataPlatform:hive,{name},PROD)"


def make(part: str) -> list[Record]:
    """The records of a part; other parts have other urns."""
    return [*_shared(part), *_tables(part), *_boards(part), *_flows(part)]


def series(part: str) -> list[Record]:
    """Records of one series over time, the newest last."""
    urn = urn_of_table(part, 1)
    return [
        _record(
            urn,
            models.DatasetProfileClass(
                timestampMillis=TIME + day * 86_400_000, rowCount=100 + day, columnCount=2
            ),
        )
        for day in range(3)
    ]


def _record(urn: str, aspect: Any) -> Record:
    return Record(entityUrn=urn, aspect=aspect)


def _shared(part: str) -> Iterator[Record]:
    for number, text in enumerate(TEXTS):
        tag = f"urn:li:tag:{part}-{number}"
        yield _record(tag, models.TagPropertiesClass(name=text, description=text * 2))
        term = f"urn:li:glossaryTerm:{part}.{number}"
        yield _record(term, models.GlossaryTermInfoClass(definition=text, termSource="INTERNAL"))
        user = f"urn:li:corpuser:{part}-{number}@example.com"
        yield _record(
            user,
            models.CorpUserInfoClass(
                active=True, displayName=text, email=f"{part}-{number}@example.com", title=text
            ),
        )
        group = f"urn:li:corpGroup:{part}-{number}"
        yield _record(
            group, models.CorpGroupInfoClass(displayName=text, admins=[], members=[], groups=[])
        )
        container = f"urn:li:container:{part}-{number}"
        yield _record(container, models.ContainerPropertiesClass(name=text))


def _tables(part: str) -> Iterator[Record]:
    for number in range(TABLES):
        urn = urn_of_table(part, number)
        text = TEXTS[number % len(TEXTS)]
        user = f"urn:li:corpuser:{part}-{number % len(TEXTS)}@example.com"
        tag = f"urn:li:tag:{part}-{number % len(TEXTS)}"
        yield _record(
            urn,
            models.DatasetPropertiesClass(
                name=f"table {number}", description=text, customProperties={"text": text}
            ),
        )
        yield _record(
            urn,
            models.OwnershipClass(
                owners=[models.OwnerClass(owner=user, type="DATAOWNER")], lastModified=STAMP
            ),
        )
        yield _record(
            urn, models.GlobalTagsClass(tags=[models.TagAssociationClass(tag=tag, context=text)])
        )
        if number % 3 == 0:
            yield _record(urn, _schema(number, text))
        if number % 10 == 0:
            yield _record(urn, models.StatusClass(removed=number % 20 == 0))


def _schema(number: int, text: str) -> models.SchemaMetadataClass:
    types: tuple[Any, ...] = (
        models.NumberTypeClass,
        models.StringTypeClass,
        models.BooleanTypeClass,
    )
    return models.SchemaMetadataClass(
        schemaName=f"table {number}",
        platform="urn:li:dataPlatform:hive",
        version=0,
        hash="",
        platformSchema=models.OtherSchemaClass(rawSchema=text),
        fields=[
            models.SchemaFieldClass(
                fieldPath=f"column_{column}",
                type=models.SchemaFieldDataTypeClass(type=kind()),
                nativeDataType=kind.__name__,
                description=text,
            )
            for column, kind in enumerate(types)
        ],
    )


def _boards(part: str) -> Iterator[Record]:
    for number in range(20):
        chart = f"urn:li:chart:(looker,{part}-{number})"
        board = f"urn:li:dashboard:(looker,{part}-{number})"
        text = TEXTS[number % len(TEXTS)]
        inputs = [urn_of_table(part, number)]
        yield _record(
            chart,
            models.ChartInfoClass(
                title=f"chart {number}", description=text, lastModified=STAMPS, inputs=inputs
            ),
        )
        yield _record(
            board,
            models.DashboardInfoClass(
                title=f"board {number}", description=text, lastModified=STAMPS, charts=[chart]
            ),
        )


def _flows(part: str) -> Iterator[Record]:
    for number in range(15):
        flow = f"urn:li:dataFlow:(airflow,{part}-{number},PROD)"
        job = f"urn:li:dataJob:({flow},step)"
        inputs, outputs = [urn_of_table(part, number)], [urn_of_table(part, number + 1)]
        yield _record(flow, models.DataFlowInfoClass(name=f"flow {number}"))
        yield _record(job, models.DataJobInfoClass(name="step", type="COMMAND"))
        yield _record(
            job, models.DataJobInputOutputClass(inputDatasets=inputs, outputDatasets=outputs)
        )


def urns_of_snapshots(part: str) -> tuple[str, str]:
    """The user and the table of old snapshots."""
    table = f"urn:li:dataset:(urn:li:dataPlatform:kafka,{part}.topic,PROD)"
    return f"urn:li:corpuser:{part}", table


def snapshots(part: str) -> list[dict[str, Any]]:
    """A user and a table as old files have them."""
    user, table = urns_of_snapshots(part)
    model = "com.linkedin.pegasus2avro"
    info = {"active": True, "displayName": {"string": "Legacy"}, "email": "l@example.com"}
    properties = {"description": {"string": "from a snapshot"}, "customProperties": {}}
    of_table = [
        {f"{model}.dataset.DatasetProperties": properties},
        {f"{model}.common.Status": {"removed": False}},
    ]
    found: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "CorpUserSnapshot": (user, [{f"{model}.identity.CorpUserInfo": info}]),
        "DatasetSnapshot": (table, of_table),
    }
    return [
        {"proposedSnapshot": {f"{model}.metadata.snapshot.{name}": {"urn": urn, "aspects": of_it}}}
        for name, (urn, of_it) in found.items()
    ]


def value(record: Record) -> Any:
    """The aspect of a record as JSON, as the client sends it."""
    assert record.aspect is not None
    return pre_json_transform(record.aspect.to_obj())


def write(records: list[Record], file: Path) -> None:
    """Writes records as a file that the client's source `file` reads."""
    lines = [record.to_obj(simplified_structure=True) for record in records]
    file.write_text(json.dumps(lines, indent=1))
