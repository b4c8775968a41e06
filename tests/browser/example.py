"""The example with its front door as a process, and the people who use it."""

import json
import sqlite3
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import Service

# Longer than any cell of a table, and everything that a page could take for something else.
HOSTILE_NAME = "<img src=x onerror=alert(1)>\u202egnp.exe" + "W" * 10_240


@dataclass(frozen=True)
class Person:
    """Somebody who can log in."""

    user: str
    name: str
    password: str

    @property
    def urn(self) -> str:
        return f"urn:li:corpuser:{self.user}"


class Example(Service):
    """A running example with a data folder of its own. Its people are made over its API, as root;
    their passwords are made as whoever runs it does: by starting it with `--new-password`."""

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__(program, folder)
        try:
            self._make_people()
        finally:
            self.stop()
        said = self._start(*(f"--new-password={user}" for user in PEOPLE))
        self.people = {
            user: Person(user, name, said[f"password of {user}"]) for user, name in PEOPLE.items()
        }
        self.people["datahub"] = Person("datahub", "datahub", self.password)

    def _make_people(self) -> None:
        """Everybody, of whom most may make tokens for themselves, Bob nothing, and Carol all."""
        for user, name in PEOPLE.items():
            self.create_user(user)
            info = {"active": True, "displayName": name, "email": f"{user}@example.com"}
            person = [{"urn": f"urn:li:corpuser:{user}", "corpUserInfo": {"value": info}}]
            status, answer = self.send("POST", "/openapi/v3/entity/corpuser", person)
            assert status == 200, (status, answer)
        # The default policy lets all users make tokens.
        self.grant("7", [], ["VIEW_ANALYTICS"], all_users=True)
        self.allow_to_generate()
        self.grant(
            "managers", ["carol"], ["GENERATE_PERSONAL_ACCESS_TOKENS", "MANAGE_ACCESS_TOKENS"]
        )

    def allow_to_generate(self, but: str = "bob") -> None:
        """Lets everybody make tokens for themselves, but one."""
        users = [user for user in PEOPLE if user not in ("bob", but)]
        self.grant("generate", users, ["GENERATE_PERSONAL_ACCESS_TOKENS"])

    def grant(
        self, name: str, users: list[str], privileges: list[str], all_users: bool = False
    ) -> None:
        """Grants privileges on the platform, in place of what a policy of this name granted."""
        info = {
            "displayName": name,
            "description": "",
            "type": "PLATFORM",
            "state": "ACTIVE",
            "editable": True,
            "privileges": privileges,
            "actors": {
                "users": [f"urn:li:corpuser:{user}" for user in users],
                "allUsers": all_users,
                "resourceOwners": False,
            },
        }
        policy = [{"urn": f"urn:li:dataHubPolicy:{name}", "dataHubPolicyInfo": {"value": info}}]
        status, answer = self.send("POST", "/openapi/v3/entity/dataHubPolicy", policy)
        assert status == 200, (status, answer)

    def tokens(self) -> list[dict[str, Any]]:
        """All tokens but root's own, with which the tests look."""
        wanted = {"input": {"start": 0, "count": 1000}}
        tokens: list[dict[str, Any]] = self.graphql(LIST, wanted)["listAccessTokens"]["tokens"]
        return [token for token in tokens if token["name"] != "made by gms"]

    def names(self) -> list[str]:
        """The names of all those tokens."""
        return sorted(token["name"] for token in self.tokens())

    def clear(self) -> None:
        """Revokes all of them, and lets everybody do again what they may."""
        while tokens := self.tokens():
            # What was made with a token is revoked with it.
            self.revoke_token(tokens[0]["id"])
        self.allow_to_generate()

    def make(self, person: Person, name: str, by: str | None = None, **more: Any) -> str:
        """Makes a token that acts as somebody, and returns its text. It is theirs if `by` is a
        token of theirs, else root's."""
        wanted = {"input": _wanted(person, name, more)}
        return str(self.graphql(CREATE, wanted, by)["createAccessToken"]["accessToken"])

    def make_in(self, cookie: str, person: Person, name: str, **more: Any) -> str:
        """Makes a token as the page does: in a session, given by its cookie."""
        body = {"query": CREATE, "variables": {"input": _wanted(person, name, more)}}
        status, _, text = self.post("/api/graphql", body, {"Cookie": cookie})
        assert status == 200, (status, text)
        return str(json.loads(text)["data"]["createAccessToken"]["accessToken"])

    def expire(self, name: str) -> None:
        """Lets a token be over since an hour, and a day older. The shortest lifetime is an hour, too, so that no
        test can wait for it: the time is changed where it is stored."""
        hour_ago = int((time.time() - 3600) * 1000)
        with closing(sqlite3.connect(self.data / "tower-pat.db", timeout=30)) as database, database:
            changed = database.execute(
                "UPDATE tokens SET created_at = created_at - ?1, expires_at = ?2,"
                " valid_until = min(valid_until, ?2) WHERE name = ?3 AND revoked_at IS NULL",
                (26 * 3_600_000, hour_ago, name),
            )
            assert changed.rowcount == 1, f"{changed.rowcount} tokens are called {name}"

    def set_expiry(self, name: str, ms: int) -> None:
        """Lets a token expire at a time, which no lifetime that can be chosen would give it."""
        with closing(sqlite3.connect(self.data / "tower-pat.db", timeout=30)) as database, database:
            changed = database.execute(
                "UPDATE tokens SET expires_at = ?1, valid_until = ?1"
                " WHERE name = ?2 AND revoked_at IS NULL",
                (ms, name),
            )
            assert changed.rowcount == 1, f"{changed.rowcount} tokens are called {name}"

    def end_session(self, cookie: str) -> None:
        """Logs out what has this cookie, as another tab would."""
        status, _, text = self.post("/logOut", b"", {"Cookie": cookie})
        assert status == 204, (status, text)

    def post(
        self, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, bytes]:
        """Status, headers and body of the front door's answer to what is no browser. A body of
        bytes is sent as it is."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        all_headers = {"Content-Type": "application/json"} | (headers or {})
        return _open(urllib.request.Request(self.front + path, data, all_headers, method="POST"))

    def get(self, path: str) -> tuple[int, Any, bytes]:
        """Status, headers and body of what the front door gives to everybody."""
        return _open(urllib.request.Request(self.front + path))

    def ask(self, url: str, token: str) -> tuple[int, bytes]:
        """Status and body of what a url says to a token."""
        headers = {"Authorization": f"Bearer {token}"}
        status, _, body = _open(urllib.request.Request(url, headers=headers))
        return status, body


def _wanted(person: Person, name: str, more: dict[str, Any]) -> dict[str, Any]:
    """What is wanted of a new token: good for a month, if nothing else is said."""
    wanted = {"type": "PERSONAL", "actorUrn": person.urn, "name": name, "duration": "ONE_MONTH"}
    return wanted | more


def _open(request: urllib.request.Request) -> tuple[int, Any, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


PEOPLE = {
    "alice": "Alice Example",
    "bob": "Bob Example",
    "carol": "Carol Example",
    "dave": "Dave Example",
    "mallory": HOSTILE_NAME,
}
CREATE = """
mutation Create($input: CreateAccessTokenInput!) {
  createAccessToken(input: $input) { accessToken metadata { id } }
}
"""
LIST = """
query List($input: ListAccessTokenInput!) {
  listAccessTokens(input: $input) {
    total tokens { id name description actorUrn ownerUrn expiresAt }
  }
}
"""
