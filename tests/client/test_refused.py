"""Commands of those whom the service refuses: the client says so in its best way, at once, and
nothing has been written.

The commands run in forks, which are quicker; a few of them run as everybody does, too.
"""

import json
from pathlib import Path

import pytest

from callers import READER, UNKNOWN, Caller
from commands import environment, run
from refused import (
    ERROR,
    NEW_TAG,
    REFUSED,
    SECONDS,
    TABLE,
    TAG,
    Command,
    graphql_error,
    last_line,
    recipe,
    refused_with_status,
)
from service import Service

pytestmark = pytest.mark.usefixtures("nothing_changes")


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
    me = command(reader, "graphql", "--operation", "me")
    assert json.loads(me.out)["me"]["corpUser"]["urn"] == "urn:li:corpuser:reader"
    assert "createAccessToken" in command(reader, "graphql", "--list-operations").out
    described = command(reader, "graphql", "--describe", "createAccessToken")
    assert described.code == 0 and "CreateAccessTokenInput!" in described.out, described.text
    runs = command(reader, "ingest", "list-runs")
    assert runs.code == 0 and "runId" in runs.out, runs.text


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


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    "filters, how, begin, found",
    [
        (["--platform", "hive"], "--soft", "Soft", ("dataset", TABLE)),
        (["--entity-type", "tag"], "--hard", "Hard", ("tag", TAG)),
    ],
    ids=["soft", "hard"],
)
def test_delete_by_filter(
    command: Command,
    callers: dict[str, Caller],
    filters: list[str],
    how: str,
    begin: str,
    found: tuple[str, str],
    name: str,
) -> None:
    caller = callers[name]
    result = command(caller, "delete", *filters, how, "--force")
    if name == READER:
        # Who may read finds what is meant.
        kind, urn = found
        assert (result.code, result.has_traceback) == (0, False), result.text
        assert f"Found 1 {kind} urn(s)" in result.out
        assert f"Error processing URN {urn}: " in result.out
        assert caller.words in result.out and "'status': 403" in result.out
        assert f"{begin} deleted 0 entities" in result.out
    else:
        # The client has no better way when it searches.
        assert result.code == 1, result.text
        assert "deleted" not in result.out
        last = last_line(result)
        assert last.startswith(f"{ERROR}: ('Unable to get metadata from DataHub', "), result.text
        assert caller.words in last and "'status': 401" in last


# GraphQL.


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
