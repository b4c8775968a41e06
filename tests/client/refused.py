"""What the tests of those whom the service refuses share."""

import json
from collections.abc import Callable
from pathlib import Path

from callers import READER, UNKNOWN, Caller
from commands import Result
from service import Service

# A repeated request would take 28 s at least; a cold process on a busy machine takes some, too.
SECONDS = 25
TAG = "urn:li:tag:kept"
TABLE = "urn:li:dataset:(urn:li:dataPlatform:hive,db.kept,PROD)"
RUN = "run-kept"
NEW_TAG = "urn:li:tag:refused"
NEW_TABLE = "urn:li:dataset:(urn:li:dataPlatform:hive,db.refused,PROD)"
REFUSED = (*UNKNOWN, READER)
# The end of a traceback.
ERROR = "datahub.configuration.common.OperationalError"

Command = Callable[..., Result]


def last_line(result: Result) -> str:
    return result.err.strip().splitlines()[-1]


def refused_with_status(result: Result, caller: Caller) -> None:
    """The client's way where it has no better one: the status, at the end of a traceback."""
    assert result.code == 1, result.text
    assert last_line(result).startswith(
        f"requests.exceptions.HTTPError: {caller.status} Client Error: {caller.reason} for url: "
    ), result.text


def graphql_error(result: Result) -> dict[str, str]:
    """What the command printed for programs, which has to be a refusal."""
    assert result.code == 4, result.text
    assert result.out == ""
    assert not result.has_traceback, result.text
    error: dict[str, str] = json.loads(last_line(result))
    assert error["error"] == "permission_denied"
    return error


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
