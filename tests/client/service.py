"""The example metadata service as a process, and what root does to it over its own API."""

import json
import os
import re
import select
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = "urn:li:corpuser:datahub"
START_SECONDS = 30
STOP_SECONDS = 20
# What the service shows once, and where it can be reached.
SAID = re.compile(r"(token|password(?: of [^\s:]+)?|front door on|listening on):? (\S+)\n")
# Any token, of any actor, also one that is not good any more.
TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+")

CREATE_TOKEN = """
mutation createAccessToken($input: CreateAccessTokenInput!) {
  createAccessToken(input: $input) {
    accessToken
    metadata { urn type id name description actorUrn ownerUrn createdAt expiresAt }
  }
}
"""
LIST_TOKENS = """
query listAccessTokens($input: ListAccessTokenInput!) {
  listAccessTokens(input: $input) {
    start count total
    tokens { urn type id name description actorUrn ownerUrn createdAt expiresAt }
  }
}
"""
TOKEN_METADATA = """
query getAccessTokenMetadata($token: String!) {
  getAccessTokenMetadata(token: $token) {
    urn type id name description actorUrn ownerUrn createdAt expiresAt
  }
}
"""
REVOKE_TOKEN = """
mutation revokeAccessToken($tokenId: String!) { revokeAccessToken(tokenId: $tokenId) }
"""
SET_STATUS = """
mutation updateUserStatus($urn: String!, $status: CorpUserStatus!) {
  updateUserStatus(urn: $urn, status: $status)
}
"""


class Service:
    """A running service with a data folder of its own. It is asked over plain HTTP here, so that
    what the tests prepare and look at does not depend on the client that they test."""

    def __init__(self, program: Path, folder: Path, port: int = 0, front_port: int = 0) -> None:
        self.data = folder / "data"
        self._program = program
        self._log_path = folder / "service.log"
        self._ports = (port, front_port)
        said = self._start()
        self.token = said["token"]
        self.password = said["password"]

    def _start(self, *arguments: str) -> dict[str, str]:
        """Starts the program, and returns what it says before it listens."""
        port, front_port = self._ports
        addresses = ["--listen", f"127.0.0.1:{port}", "--front-door", f"127.0.0.1:{front_port}"]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("DATAHUB_")
        }
        with open(self._log_path, "ab") as log:
            self._process = subprocess.Popen(
                [self._program, "--data", self.data, *addresses, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        try:
            said = self._listen()
        except BaseException:
            self._end()
            raise
        self.url = said["listening on"]
        self.front = said["front door on"]
        return said

    def _listen(self) -> dict[str, str]:
        """What the program says until it listens, by the words before it."""
        said: dict[str, str] = {}
        text = b""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        deadline = time.monotonic() + START_SECONDS
        while "listening on" not in said:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(pipe, 65536) if ready else b""
            if not chunk:
                raise RuntimeError(f"the service did not start: {self.log()}")
            text += chunk
            for line in text.decode().splitlines(keepends=True):
                found = SAID.fullmatch(line)
                if found:
                    said[found[1]] = found[2]
        return said

    def stop(self) -> None:
        """Ends the service, which must do so by itself, and have logged no panic and no token."""
        running = self._process.poll() is None
        self._end()
        log = self.log()
        assert running, f"the service ended with {self._process.returncode}: {log[-2000:]}"
        assert self._process.returncode == 0, (self._process.returncode, log[-2000:])
        assert "panicked at" not in log, log[log.index("panicked at") - 200 :][:2000]
        assert TOKEN.search(log) is None, "a token is in the log"

    def _end(self) -> None:
        """Ends the service, and waits until it has ended."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def log(self) -> str:
        """What the service has logged."""
        return self._log_path.read_text(errors="replace")

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON of the answer to a request, by default one of root."""
        data = None if body is None else json.dumps(body).encode()
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token or self.token}",
        }
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def graphql(
        self, query: str, variables: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        """The data of a query that has to succeed."""
        body = {"query": query, "variables": variables or {}}
        status, answer = self.send("POST", "/api/graphql", body, token)
        assert status == 200 and not answer.get("errors"), (status, answer)
        return answer["data"]

    def aspects(self, urn: str) -> dict[str, Any] | None:
        """The aspects of an entity by name, or `None` if there is no such entity."""
        kind = urn.split(":")[2]
        status, answer = self.send(
            "GET", f"/openapi/v3/entity/{kind}/{urllib.parse.quote(urn, safe='')}"
        )
        if status == 404:
            return None
        assert status == 200, (status, answer)
        del answer["urn"]
        return {name: aspect["value"] for name, aspect in answer.items()}

    def create_user(self, name: str) -> str:
        """Makes a user, and returns its urn."""
        urn = f"urn:li:corpuser:{name}"
        info = {"active": True, "displayName": name.title(), "email": f"{name}@example.com"}
        entity = {
            "urn": urn,
            "corpUserKey": {"value": {"username": name}},
            "corpUserInfo": {"value": info},
        }
        status, answer = self.send("POST", "/openapi/v3/entity/corpuser", [entity])
        assert status == 200, (status, answer)
        return urn

    def create_token(self, actor: str, name: str) -> tuple[str, str]:
        """A token that acts as somebody for an hour: its text and its id."""
        wanted = {"type": "PERSONAL", "actorUrn": actor, "duration": "ONE_HOUR", "name": name}
        created = self.graphql(CREATE_TOKEN, {"input": wanted})["createAccessToken"]
        return created["accessToken"], created["metadata"]["id"]

    def revoke_token(self, token_id: str) -> None:
        """Revokes a token."""
        assert self.graphql(REVOKE_TOKEN, {"tokenId": token_id})["revokeAccessToken"] is True

    def suspend(self, urn: str) -> None:
        """Suspends a user."""
        self.graphql(SET_STATUS, {"urn": urn, "status": "SUSPENDED"})

    def create_policy(self, name: str, actor: str, privileges: list[str], kind: str) -> None:
        """Grants privileges on all entities of a type to somebody."""
        info = {
            "displayName": name,
            "description": "",
            "type": "METADATA",
            "state": "ACTIVE",
            "editable": True,
            "privileges": privileges,
            "actors": {"users": [actor], "resourceOwners": False},
            "resources": {
                "filter": {"criteria": [{"field": "TYPE", "values": [kind], "condition": "EQUALS"}]}
            },
        }
        policy = [{"urn": f"urn:li:dataHubPolicy:{name}", "dataHubPolicyInfo": {"value": info}}]
        status, answer = self.send("POST", "/openapi/v3/entity/dataHubPolicy", policy)
        assert status == 200, (status, answer)

    def wait_until_refused(self, token: str, since: float) -> None:
        """Waits until a token is refused, which no request may take more than a second for."""
        soon(lambda: self.send("GET", PROBE, token=token)[0] == 401, since, "the token is refused")

    def entities(self, kind: str) -> list[dict[str, Any]]:
        """All entities of a type."""
        found: list[dict[str, Any]] = []
        path: str | None = f"/openapi/v3/entity/{kind}?count=1000"
        while path is not None:
            status, page = self.send("GET", path)
            assert status == 200, (status, page)
            found += page["entities"]
            scroll = page.get("scrollId")
            at = f"count=1000&scrollId={urllib.parse.quote(scroll or '', safe='')}"
            path = f"/openapi/v3/entity/{kind}?{at}" if scroll else None
        return found

    def profiles(self, urn: str) -> list[Any]:
        """The profiles of a table over time."""
        wanted = {"urn": urn, "entity": "dataset", "aspect": "datasetProfile"}
        status, answer = self.send("POST", "/aspects?action=getTimeseriesAspectValues", wanted)
        assert status == 200, (status, answer)
        values: list[Any] = answer["value"]["values"]
        return values

    def state(self, tables: Iterable[str] = ()) -> dict[str, Any]:
        """Everything of the types that the tests write, the profiles of these tables, and how many
        tokens there are, to see that nothing has changed."""
        state: dict[str, Any] = {kind: self.entities(kind) for kind in STATE_TYPES}
        state["profiles"] = [self.profiles(table) for table in tables]
        tokens = self.graphql(COUNT_TOKENS, {"input": {"start": 0, "count": 1}})
        state["tokens"] = tokens["listAccessTokens"]["total"]
        return state


def soon(holds: Callable[[], bool], since: float, what: str, seconds: float = 1.0) -> None:
    """Asks until something holds that must do so this long after `since`, a monotonic time. A
    question is judged by when it was put: its answer may take longer on a busy machine."""
    while True:
        asked = time.monotonic()
        if holds():
            return
        assert asked - since < seconds, f"{what} too late: after {asked - since:.2f} s not yet"
        time.sleep(0.02)


COUNT_TOKENS = """
query listAccessTokens($input: ListAccessTokenInput!) { listAccessTokens(input: $input) { total } }
"""
PROBE = "/aspects/urn%3Ali%3Acorpuser%3Adatahub?aspect=corpUserKey&version=0"
STATE_TYPES = (
    "corpuser",
    "corpGroup",
    "dataHubPolicy",
    "domain",
    "dataset",
    "chart",
    "dashboard",
    "tag",
    "container",
    "dataFlow",
    "dataJob",
    "glossaryTerm",
    "dataHubIngestionSource",
    "dataHubExecutionRequest",
)
