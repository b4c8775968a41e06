"""The commands of the client by somebody who may.

The first test runs each of them as everybody does, the others in forks, which are quicker.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import Result, environment, run, run_forked
from service import ROOT, Service

DATASET = "urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)"
AWKWARD = "urn:li:dataset:(urn:li:dataPlatform:s3,bucket/raw/2024 01/file+a%b.parquet,PROD)"
ORDERS = {"name": "orders", "description": "Jörg's <script>orders</script>", "tags": []}

Datahub = Callable[..., Result]


@pytest.fixture
def datahub(service: Service, home: Path) -> Datahub:
    """Runs a command of root, who is named in the environment."""
    variables = environment(home, service.url, service.token)

    def command(*arguments: str, stdin: str = "") -> Result:
        result = run_forked(list(arguments), variables, stdin)
        assert service.token not in result.text
        return result

    return command


def good(result: Result) -> str:
    """What a command printed that must have succeeded."""
    assert result.code == 0, result.text
    assert not result.has_traceback, result.text
    return result.out


def put(datahub: Datahub, urn: str, aspect: str, value: Any, *more: str) -> None:
    arguments = ["put", "--urn", urn, "--aspect", aspect, "-d", "-", *more]
    out = good(datahub(*arguments, stdin=json.dumps(value)))
    assert "Update succeeded with status 200" in out


def test_a_day_with_the_command_line(service: Service, home: Path) -> None:
    variables = environment(home, None, None)

    def datahub(*arguments: str, stdin: str = "") -> Result:
        result = run(list(arguments), variables, stdin)
        assert service.token not in result.text
        return result

    good(datahub("init", "--host", service.url, "--token", service.token))
    written = (home / ".datahubenv").read_text()
    assert f"server: {service.url}" in written
    assert service.token in written

    urn = "urn:li:dataset:(urn:li:dataPlatform:hive,db.day,PROD)"
    put(datahub, urn, "datasetProperties", ORDERS)
    assert json.loads(good(datahub("exists", "--urn", urn))) is True
    assert json.loads(good(datahub("get", "--urn", urn)))["datasetProperties"] == ORDERS
    assert "Soft deleted 1 entities" in good(datahub("delete", "--urn", urn, "--soft"))
    aspects = service.aspects(urn)
    assert aspects is not None and aspects["status"] == {"removed": True}
    assert "Hard deleted 1 entities" in good(datahub("delete", "--urn", urn, "--hard", "--force"))
    assert service.aspects(urn) is None

    out = good(datahub("graphql", "--query", "{ me { corpUser { urn username } } }"))
    assert json.loads(out) == {"me": {"corpUser": {"urn": ROOT, "username": "datahub"}}}
    assert (
        json.loads(good(datahub("graphql", "--operation", "me")))["me"]["corpUser"]["urn"] == ROOT
    )

    (home / "users.yaml").write_text("- id: day\n  display_name: Day\n  email: day@example.com\n")
    upserted = good(datahub("user", "upsert", "-f", str(home / "users.yaml")))
    assert "Update succeeded for urn urn:li:corpuser:day." in upserted
    aspects = service.aspects("urn:li:corpuser:day")
    assert aspects is not None and aspects["corpUserInfo"]["displayName"] == "Day"


def test_what_is_put_is_there(service: Service, datahub: Datahub) -> None:
    assert json.loads(good(datahub("exists", "--urn", DATASET))) is False
    put(datahub, DATASET, "datasetProperties", ORDERS)
    put(datahub, DATASET, "status", {"removed": False}, "--run-id", "by-hand")
    assert json.loads(good(datahub("exists", "--urn", DATASET))) is True
    key = {"platform": "urn:li:dataPlatform:hive", "name": "db.orders", "origin": "PROD"}
    wanted = {"datasetKey": key, "datasetProperties": ORDERS, "status": {"removed": False}}
    assert json.loads(good(datahub("get", "--urn", DATASET))) == wanted
    assert service.aspects(DATASET) == wanted

    some = good(datahub("get", "--urn", DATASET, "-a", "datasetProperties", "-a", "ownership"))
    assert json.loads(some) == {"datasetProperties": ORDERS}
    details = json.loads(good(datahub("get", "--urn", DATASET, "--details")))
    assert details["datasetProperties"]["value"] == ORDERS


def test_a_urn_with_slashes_and_percent_signs(service: Service, datahub: Datahub) -> None:
    value = {"name": "file+a%b.parquet", "tags": []}
    put(datahub, AWKWARD, "datasetProperties", value)
    got = json.loads(good(datahub("get", "--urn", AWKWARD)))
    assert got["datasetProperties"] == value
    assert got["datasetKey"]["name"] == "bucket/raw/2024 01/file+a%b.parquet"
    assert json.loads(good(datahub("exists", "--urn", AWKWARD))) is True
    deleted = good(datahub("delete", "--urn", AWKWARD, "--hard", "--force"))
    assert "Hard deleted 1 entities" in deleted
    assert service.aspects(AWKWARD) is None


def test_what_is_not_there_is_said_to_be_missing(datahub: Datahub) -> None:
    nobody = "urn:li:corpuser:nobody"
    for more in ([], ["-a", "corpUserInfo"]):
        missing = datahub("get", "--urn", nobody, *more)
        assert missing.code == 1
        assert f"urn {nobody} not found" in missing.err
        assert not missing.has_traceback


def test_a_server_address_that_ends_with_a_slash(service: Service, home: Path) -> None:
    variables = environment(home, f"{service.url}/", service.token)
    urn = "urn:li:tag:slash"
    arguments = ["put", "--urn", urn, "-a", "tagProperties", "-d", "-"]
    good(run_forked(arguments, variables, json.dumps({"name": "slash"})))
    got = json.loads(good(run_forked(["get", "--urn", urn], variables)))
    assert got == {"tagKey": {"name": "slash"}, "tagProperties": {"name": "slash"}}
    assert service.aspects(urn) == got
    good(run_forked(["ingest", "list-runs"], variables))


def test_a_soft_delete_can_be_undone_and_a_hard_one_cannot(
    service: Service, datahub: Datahub
) -> None:
    urn = "urn:li:dataset:(urn:li:dataPlatform:hive,db.deleted,PROD)"
    put(datahub, urn, "datasetProperties", ORDERS)
    soft = good(datahub("delete", "--urn", urn, "--soft"))
    assert "Soft deleted 1 entities" in soft and "Error" not in soft
    aspects = service.aspects(urn)
    assert aspects is not None and aspects["status"] == {"removed": True}
    assert aspects["datasetProperties"] == ORDERS
    assert json.loads(good(datahub("exists", "--urn", urn))) is True

    good(datahub("delete", "undo-by-filter", "--urn", urn))
    aspects = service.aspects(urn)
    assert aspects is not None and aspects["status"] == {"removed": False}

    hard = good(datahub("delete", "--urn", urn, "--hard", "--force"))
    assert "Hard deleted 1 entities" in hard and "Error" not in hard
    assert service.aspects(urn) is None
    assert json.loads(good(datahub("exists", "--urn", urn))) is False


@pytest.mark.parametrize(
    "urn, aspect, value",
    [
        ("urn:li:tag:deleted", "tagProperties", {"name": "deleted"}),
        ("urn:li:corpuser:deleted", "corpUserInfo", {"active": True, "displayName": "D"}),
    ],
)
def test_a_hard_delete_of_what_others_refer_to(
    service: Service, datahub: Datahub, urn: str, aspect: str, value: Any
) -> None:
    put(datahub, urn, aspect, value)
    hard = good(datahub("delete", "--urn", urn, "--hard", "--force"))
    assert "Hard deleted 1 entities" in hard and "Error" not in hard
    assert service.aspects(urn) is None


def test_delete_by_filter_finds_what_is_meant(service: Service, datahub: Datahub) -> None:
    meant = "urn:li:dataset:(urn:li:dataPlatform:kafka,by.filter,PROD)"
    other = "urn:li:dataset:(urn:li:dataPlatform:hive,by.filter,PROD)"
    for urn in (meant, other):
        put(datahub, urn, "datasetProperties", ORDERS)
    options = ["--platform", "kafka", "--entity-type", "dataset", "--hard", "--force"]
    assert "Hard deleted 1 entities" in good(datahub("delete", *options))
    assert service.aspects(meant) is None
    assert service.aspects(other) is not None


def test_graphql_answers_a_query(datahub: Datahub) -> None:
    out = good(datahub("graphql", "--query", "{ me { corpUser { urn username } } }"))
    assert json.loads(out) == {"me": {"corpUser": {"urn": ROOT, "username": "datahub"}}}


def test_graphql_takes_variables(datahub: Datahub) -> None:
    query = "query l($input: ListAccessTokenInput!) { listAccessTokens(input: $input) { total } }"
    variables = json.dumps({"input": {"start": 0, "count": 10}})
    out = good(datahub("graphql", "--query", query, "--variables", variables))
    assert json.loads(out)["listAccessTokens"]["total"] >= 1


def test_graphql_runs_an_operation_by_name(datahub: Datahub) -> None:
    me = json.loads(good(datahub("graphql", "--operation", "me")))["me"]["corpUser"]
    assert (me["urn"], me["username"]) == (ROOT, "datahub")
    variables = json.dumps({"input": {"start": 0, "count": 10}})
    arguments = ["graphql", "--operation", "listAccessTokens", "--variables", variables]
    assert json.loads(good(datahub(*arguments)))["listAccessTokens"]["total"] >= 1


def operations(listing: str, of: str) -> list[str]:
    """The operations of a kind in what `--list-operations` prints: a paragraph for each kind, with
    descriptions that may have several lines."""
    for paragraph in listing.split("\n\n"):
        title, *lines = paragraph.strip().splitlines()
        if title == f"{of}:":
            names = [line.removeprefix("  - ") for line in lines if line.startswith("  - ")]
            return [name.split(":")[0] for name in names]
    raise AssertionError(f"no {of} in {listing}")


def test_graphql_lists_and_describes_operations(datahub: Datahub) -> None:
    listing = good(datahub("graphql", "--list-operations"))
    queries = operations(listing, "Queries")
    assert {"me", "listAccessTokens", "getAccessTokenMetadata", "getAccessToken"} <= set(queries)
    mutations = operations(listing, "Mutations")
    assert {"createAccessToken", "revokeAccessToken"} <= set(mutations)

    described = good(datahub("graphql", "--describe", "createAccessToken", "--recurse"))
    assert "input: CreateAccessTokenInput!" in described
    for name in ("actorUrn", "duration", "durationIso", "description", "ONE_MONTH", "PERSONAL"):
        assert name in described, name


@pytest.mark.parametrize("query", ["{ me { nope } }", "{ me { "])
def test_graphql_says_what_is_wrong_with_a_query(datahub: Datahub, query: str) -> None:
    wrong = datahub("graphql", "--query", query)
    assert wrong.code == 1
    assert json.loads(wrong.err.splitlines()[-1])["error"] == "graphql_error"
    assert not wrong.has_traceback


def test_user_upsert_makes_and_changes_a_user(
    service: Service, datahub: Datahub, home: Path
) -> None:
    file = home / "users.yaml"
    for title in ("Software Engineer", "Head of <b>Software</b>"):
        file.write_text(
            "- id: bar@example.com\n"
            "  display_name: The Bar\n"
            "  email: bar@example.com\n"
            f"  title: {title}\n"
        )
        out = good(datahub("user", "upsert", "-f", str(file)))
        assert "Update succeeded for urn urn:li:corpuser:bar@example.com" in out
        aspects = service.aspects("urn:li:corpuser:bar@example.com")
        assert aspects is not None
        assert aspects["corpUserKey"] == {"username": "bar@example.com"}
        info = aspects["corpUserInfo"]
        assert (info["displayName"], info["email"]) == ("The Bar", "bar@example.com")
        assert info["title"] == title


def test_the_server_is_recognised(datahub: Datahub) -> None:
    shown = good(datahub("check", "server-config"))
    assert "noCode" in shown


def test_usage_statistics_cost_no_time(service: Service, home: Path) -> None:
    # With them, each command first asks for an entity of a type that there is not.
    variables = environment(home, service.url, service.token)
    variables["DATAHUB_TELEMETRY_ENABLED"] = "true"
    assert "telemetryClientId" not in service.log()
    result = run(["exists", "--urn", ROOT], variables)
    assert json.loads(good(result)) is True
    assert result.seconds < 25
    assert "telemetryClientId" in service.log()
