"""`datahub init` with user name and password, which logs in at the front door."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from commands import Result, environment, run
from service import LIST_TOKENS, ROOT, Service

# The client takes the log-in to be at the port that has 9002 for 8080 at its end.
PORTS = [(first * 10_000 + 8080, first * 10_000 + 9002) for first in (1, 2, 3, 4, 5)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on the first two such ports that are free."""
    ports = next(pair for pair in PORTS if all(map(is_free, pair)))
    service = Service(Path(os.environ["GMS"]), tmp_path_factory.mktemp("log_in"), *ports)
    yield service
    service.stop()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def host(service: Service) -> str:
    """As a person writes it."""
    return service.url.replace("127.0.0.1", "localhost")


def init(service: Service, home: Path, user: str, password: str, *more: str) -> Result:
    arguments = ["init", "--host", host(service), "--username", user, "--password", password]
    return run([*arguments, *more], environment(home, None, None))


def datahub(home: Path, *arguments: str) -> Result:
    """A command that has nothing but what `init` wrote."""
    return run(list(arguments), environment(home, None, None))


def test_init_makes_a_token_by_which_commands_work(service: Service, home: Path) -> None:
    made = init(service, home, "datahub", service.password, "--token-duration", "ONE_HOUR")
    assert made.code == 0 and not made.has_traceback, made.text
    written = (home / ".datahubenv").read_text()
    assert host(service) in written and service.password not in written

    found = datahub(home, "get", "--urn", ROOT)
    assert found.code == 0 and '"username": "datahub"' in found.text, found.text
    exists = datahub(home, "exists", "--urn", "urn:li:corpuser:nobody")
    assert exists.code == 0 and "false" in exists.out, exists.text

    filters = {"filters": [{"field": "ownerUrn", "values": [ROOT]}]}
    listed = service.graphql(LIST_TOKENS, {"input": filters})["listAccessTokens"]
    names = [token["name"] for token in listed["tokens"]]
    # The session is no token that anybody would want to see in a list.
    assert len(names) == 2 and sum(name.startswith("cli token ") for name in names) == 1, names


@pytest.mark.parametrize("user", ["datahub", "nobody"])
def test_init_with_a_wrong_password_says_400(service: Service, home: Path, user: str) -> None:
    refused = init(service, home, user, "not the password")
    assert refused.code != 0 and "400 Client Error" in refused.text, refused.text
    assert not (home / ".datahubenv").exists()


def test_the_client_works_by_way_of_the_front_door(service: Service, home: Path) -> None:
    for server in (f"{service.front}/api/gms", f"{service.front}/api/gms/"):
        variables = environment(home, server, service.token)
        found = run(["get", "--urn", ROOT], variables)
        assert found.code == 0 and '"username": "datahub"' in found.text, found.text
    refused = run(["get", "--urn", ROOT], environment(home, f"{service.front}/api/gms", "bad"))
    assert refused.code != 0 and "401" in refused.text, refused.text


def test_a_large_body_goes_through_the_front_door(service: Service) -> None:
    name = "x" * (10 * 1024 * 1024)
    tag = [{"urn": "urn:li:tag:large", "tagProperties": {"value": {"name": name}}}]
    headers = {"Authorization": f"Bearer {service.token}"}
    url = f"{service.front}/openapi/v3/entity/tag"
    assert requests.post(url, json=tag, headers=headers, timeout=60).status_code == 200
    answer = requests.get(f"{url}/urn:li:tag:large", headers=headers, timeout=60)
    assert answer.json()["tagProperties"]["value"]["name"] == name
