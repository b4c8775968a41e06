"""The life of tokens, over GraphQL as users of the client write it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from datahub.configuration.common import GraphError, OperationalError
from datahub.ingestion.graph.client import DataHubGraph
from datahub.ingestion.graph.config import DatahubClientConfig

from service import (
    CREATE_TOKEN,
    LIST_TOKENS,
    REVOKE_TOKEN,
    ROOT,
    SET_STATUS,
    TOKEN_METADATA,
    Service,
    soon,
)

HOUR = 3_600_000
DAY = 24 * HOUR
FORBIDDEN = "Unauthorized to perform this action. Please contact your DataHub administrator."

ME = "{ me { corpUser { urn username } } }"
PRIVILEGES = """
{ me { platformPrivileges { generatePersonalAccessTokens manageTokens manageServiceAccounts } } }
"""
CREATE_ACCOUNT = """
mutation createServiceAccount($input: CreateServiceAccountInput!) {
  createServiceAccount(input: $input) { urn type name displayName description }
}
"""
GET_ACCOUNT = """
query getServiceAccount($urn: String!) {
  getServiceAccount(urn: $urn) { urn name displayName description }
}
"""
LIST_ACCOUNTS = """
query listServiceAccounts($input: ListServiceAccountsInput!) {
  listServiceAccounts(input: $input) { start count total serviceAccounts { urn displayName } }
}
"""
DELETE_ACCOUNT = "mutation deleteServiceAccount($urn: String!) { deleteServiceAccount(urn: $urn) }"


class User:
    """Somebody with a token, who talks to the service with the client."""

    def __init__(self, service: Service, token: str) -> None:
        self.token = token
        self.graph = DataHubGraph(DatahubClientConfig(server=service.url, token=token))

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        return self.graph.execute_graphql(query, variables)

    def urn(self) -> str:
        """Who the service takes the user for."""
        found: str = self.ask(ME)["me"]["corpUser"]["urn"]
        return found

    def create(self, **wanted: Any) -> dict[str, Any]:
        """A new token, by default one of root's for an hour."""
        wanted = {"type": "PERSONAL", "actorUrn": ROOT, "name": "test", **wanted}
        if "durationIso" not in wanted:
            wanted.setdefault("duration", "ONE_HOUR")
        created: dict[str, Any] = self.ask(CREATE_TOKEN, input=wanted)["createAccessToken"]
        return created

    def tokens(self, *filters: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """All tokens that fit."""
        wanted = {"start": 0, "count": 100, "filters": list(filters), **more}
        found = self.ask(LIST_TOKENS, input=wanted)["listAccessTokens"]
        tokens: list[dict[str, Any]] = found["tokens"]
        assert found["total"] >= len(tokens)
        return tokens

    def revoke(self, token_id: str) -> bool:
        revoked: bool = self.ask(REVOKE_TOKEN, tokenId=token_id)["revokeAccessToken"]
        return revoked


@pytest.fixture(scope="module")
def root(service: Service) -> User:
    return User(service, service.token)


@pytest.fixture(scope="module")
def alice(service: Service) -> User:
    """Somebody who may make tokens for herself, as all users by the default policies."""
    urn = service.create_user("alice")
    return User(service, service.create_token(urn, "of alice")[0])


@pytest.fixture(scope="module")
def bob(service: Service) -> User:
    urn = service.create_user("bob")
    return User(service, service.create_token(urn, "of bob")[0])


def owned_by(*urns: str) -> dict[str, Any]:
    return {"field": "ownerUrn", "values": list(urns)}


def refused(call: Callable[[], Any], code: int, words: str) -> str:
    """The message of a call that is answered with an error of this code."""
    with pytest.raises(GraphError) as raised:
        call()
    assert not isinstance(raised.value, OperationalError), raised.value
    text = str(raised.value)
    assert f"'code': {code}" in text, text
    assert words in text, text
    return text


def dead_within_a_second(since: float, *users: User) -> None:
    """Waits until tokens are refused that ended then, with all that the client says about it."""

    def dead(user: User) -> bool:
        try:
            user.urn()
        except OperationalError as error:
            assert error.message == "Unable to get metadata from DataHub"
            assert error.info["status"] == 401
            assert error.info["message"].startswith("Unauthorized to perform this action")
            assert user.token not in str(error)
            return True
        return False

    for user in users:
        soon(lambda user=user: dead(user), since, "the token is refused")
        with pytest.raises(requests.HTTPError, match="401 Client Error: Unauthorized"):
            user.graph.exists(ROOT)


@pytest.mark.parametrize(
    "lifetime, milliseconds",
    [
        ({"duration": "ONE_HOUR"}, HOUR),
        ({"duration": "ONE_DAY"}, DAY),
        ({"duration": "ONE_WEEK"}, 7 * DAY),
        ({"duration": "ONE_MONTH"}, 30 * DAY),
        ({"durationIso": "P7D"}, 7 * DAY),
        ({"durationIso": "PT1H"}, HOUR),
        ({"durationIso": "P1M"}, 30 * DAY),
    ],
    ids=str,
)
def test_the_whole_life_of_a_token(
    service: Service, root: User, lifetime: dict[str, str], milliseconds: int
) -> None:
    name = f"life {lifetime}"
    begun = time.time() * 1000
    created = root.create(name=name, description="for the nightly job", **lifetime)
    metadata = created["metadata"]
    assert metadata["urn"] == f"urn:li:dataHubAccessToken:{metadata['id']}"
    assert metadata["type"] == "ACCESS_TOKEN"
    assert (metadata["name"], metadata["description"]) == (name, "for the nightly job")
    assert (metadata["actorUrn"], metadata["ownerUrn"]) == (ROOT, ROOT)
    assert begun - 5000 < metadata["createdAt"] < time.time() * 1000 + 5000
    assert metadata["expiresAt"] - metadata["createdAt"] == milliseconds

    user = User(service, created["accessToken"])
    assert user.urn() == ROOT
    assert user.graph.exists(ROOT) is True

    assert metadata in root.tokens(owned_by(ROOT))
    found = root.ask(TOKEN_METADATA, token=created["accessToken"])["getAccessTokenMetadata"]
    assert found == metadata

    assert root.revoke(metadata["id"]) is True
    dead_within_a_second(time.monotonic(), user)
    assert metadata["id"] not in [token["id"] for token in root.tokens(owned_by(ROOT))]
    refused(lambda: root.revoke(metadata["id"]), 500, "Failed to revoke access token")


@pytest.mark.parametrize(
    "wanted, words",
    [
        ({"duration": "NO_EXPIRY"}, "no expiry is disabled"),
        ({"durationIso": "P2D"}, "is not allowed"),
        ({"durationIso": "soon"}, "ISO-8601"),
        ({"duration": "ONE_DAY", "durationIso": "P1D"}, "Exactly one of duration or durationIso"),
        ({"duration": None}, "Exactly one of duration or durationIso"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 51}, "name"),
        ({"description": "x" * 501}, "description"),
        ({"actorUrn": "urn:li:corpGroup:admins"}, "corpGroup"),
        ({"actorUrn": "not an urn"}, "urn"),
    ],
    ids=lambda wanted: str(wanted)[:30],
)
def test_what_is_no_token_is_refused(root: User, wanted: dict[str, Any], words: str) -> None:
    before = len(root.tokens(owned_by(ROOT)))
    refused(lambda: root.create(**wanted), 400, words)
    assert len(root.tokens(owned_by(ROOT))) == before


@pytest.mark.parametrize(
    "wanted", [{"duration": "FOREVER"}, {"type": "SESSION"}, {"name": None}, {"nope": 1}], ids=str
)
def test_what_the_schema_does_not_have_is_refused(root: User, wanted: dict[str, Any]) -> None:
    before = len(root.tokens(owned_by(ROOT)))
    with pytest.raises(GraphError, match="ValidationError"):
        root.create(**wanted)
    assert len(root.tokens(owned_by(ROOT))) == before


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\u202egnp.exe", "tab\there", "注文 🦀", "'; DROP TABLE"]
)
def test_names_are_kept_as_they_are(root: User, name: str) -> None:
    metadata = root.create(name=name)["metadata"]
    assert metadata["name"] == name
    assert name in [token["name"] for token in root.tokens(owned_by(ROOT))]
    assert root.revoke(metadata["id"]) is True


def test_start_and_count_as_texts(root: User) -> None:
    for number in range(5):
        root.create(name=f"page {number}")
    every = [token["id"] for token in root.tokens()]
    listed: list[str] = []
    for start in range(0, len(every), 2):
        page = root.ask(LIST_TOKENS, input={"start": str(start), "count": "2"})["listAccessTokens"]
        assert (page["start"], page["count"], page["total"]) == (start, 2, len(every))
        listed += [token["id"] for token in page["tokens"]]
    assert listed == every and len(set(every)) == len(every)
    page = root.ask(LIST_TOKENS, input={"start": 1, "count": 2})["listAccessTokens"]
    assert [token["id"] for token in page["tokens"]] == every[1:3]
    beyond = root.ask(LIST_TOKENS, input={"start": 100_000, "count": 10})["listAccessTokens"]
    assert (beyond["tokens"], beyond["total"]) == ([], len(every))


@pytest.mark.parametrize("wanted", [{"start": -1}, {"count": -1}, {"start": "x"}, {"count": "1e3"}])
def test_start_and_count_that_make_no_sense(root: User, wanted: dict[str, Any]) -> None:
    with pytest.raises(GraphError):
        root.ask(LIST_TOKENS, input={"start": 0, "count": 10, **wanted})


def test_a_token_for_somebody_else(service: Service, root: User, alice: User) -> None:
    urn = alice.urn()
    created = root.create(actorUrn=urn, name="by root for alice")
    metadata = created["metadata"]
    assert (metadata["actorUrn"], metadata["ownerUrn"]) == (urn, ROOT)
    user = User(service, created["accessToken"])
    assert user.urn() == urn
    # It may what she may, and no more.
    refused(lambda: user.create(), 403, FORBIDDEN)

    # She finds it among those that act as her, and may end it.
    mine = alice.tokens({"field": "actorUrn", "values": [urn]})
    assert metadata in mine
    assert metadata not in alice.tokens(owned_by(urn))
    assert alice.revoke(metadata["id"]) is True
    dead_within_a_second(time.monotonic(), user)


def test_one_of_ones_own(service: Service, alice: User) -> None:
    urn = alice.urn()
    created = alice.create(actorUrn=urn, name="of my own")
    metadata = created["metadata"]
    assert (metadata["actorUrn"], metadata["ownerUrn"]) == (urn, urn)
    user = User(service, created["accessToken"])
    assert user.urn() == urn
    assert metadata in alice.tokens(owned_by(urn))
    assert alice.revoke(metadata["id"]) is True
    dead_within_a_second(time.monotonic(), user)


def test_what_others_may_not(root: User, alice: User, bob: User) -> None:
    refused(lambda: bob.create(), 403, FORBIDDEN)
    refused(lambda: bob.create(actorUrn=alice.urn()), 403, FORBIDDEN)
    refused(lambda: bob.tokens(), 403, FORBIDDEN)
    refused(lambda: bob.tokens(owned_by(alice.urn())), 403, FORBIDDEN)
    refused(lambda: bob.tokens(owned_by(alice.urn(), bob.urn())), 403, FORBIDDEN)
    negated = {**owned_by(bob.urn()), "negated": True}
    refused(lambda: bob.tokens(negated), 403, FORBIDDEN)
    refused(lambda: bob.ask(TOKEN_METADATA, token=alice.token), 403, FORBIDDEN)
    refused(lambda: bob.ask(CREATE_ACCOUNT, input={}), 403, "Unauthorized")
    status = {"urn": alice.urn(), "status": "SUSPENDED"}
    refused(lambda: bob.ask(SET_STATUS, **status), 403, FORBIDDEN)

    # An id of somebody else's token and one of no token are told apart by nobody else.
    theirs = root.ask(TOKEN_METADATA, token=alice.token)["getAccessTokenMetadata"]["id"]
    known = refused(lambda: bob.revoke(theirs), 403, FORBIDDEN)
    nobodys = theirs[:-2] + ("A=" if theirs[-2] != "A" else "E=")
    assert refused(lambda: bob.revoke(nobodys), 403, FORBIDDEN) == known
    assert alice.urn() == "urn:li:corpuser:alice"

    privileges = bob.ask(PRIVILEGES)["me"]["platformPrivileges"]
    assert privileges == {
        "generatePersonalAccessTokens": True,
        "manageTokens": False,
        "manageServiceAccounts": False,
    }
    assert all(root.ask(PRIVILEGES)["me"]["platformPrivileges"].values())


def test_suspending_ends_all_tokens_of_a_user_and_can_be_undone(
    service: Service, root: User
) -> None:
    urn = service.create_user("carol")
    users = [User(service, service.create_token(urn, f"carol {n}")[0]) for n in range(2)]
    assert [user.urn() for user in users] == [urn, urn]
    root.ask(SET_STATUS, urn=urn, status="SUSPENDED")
    dead_within_a_second(time.monotonic(), *users)
    root.ask(SET_STATUS, urn=urn, status="ACTIVE")
    active = time.monotonic()
    path, token = f"/entitiesV2/{urn}", users[0].token
    soon(
        lambda: service.send("GET", path, token=token)[0] != 401,
        active,
        "the user is accepted",
        seconds=1.5,
    )
    assert users[0].urn() == urn


def account(root: User, name: str | None = "Nightly", **more: Any) -> dict[str, Any]:
    wanted = {"displayName": name, **more}
    created: dict[str, Any] = root.ask(CREATE_ACCOUNT, input=wanted)["createServiceAccount"]
    return created


def account_token(service: Service, root: User, urn: str) -> tuple[User, str]:
    created = root.create(type="SERVICE_ACCOUNT", actorUrn=urn, name="of a service account")
    metadata = created["metadata"]
    assert (metadata["actorUrn"], metadata["ownerUrn"]) == (urn, ROOT)
    return User(service, created["accessToken"]), metadata["id"]


def test_service_accounts(service: Service, root: User, alice: User) -> None:
    created = account(root, "Nightly <b>job</b>", description="runs at night")
    urn = created["urn"]
    assert urn.startswith("urn:li:corpuser:service_")
    assert created["type"] == "CORP_USER"
    assert created["displayName"] == "Nightly <b>job</b>"
    found = root.ask(GET_ACCOUNT, urn=urn)["getServiceAccount"]
    assert (found["urn"], found["description"]) == (urn, "runs at night")
    listed = root.ask(LIST_ACCOUNTS, input={"start": 0, "count": 10})["listServiceAccounts"]
    assert {"urn": urn, "displayName": "Nightly <b>job</b>"} in listed["serviceAccounts"]
    assert listed["total"] == len(listed["serviceAccounts"])

    user, token_id = account_token(service, root, urn)
    assert user.urn() == urn
    assert user.graph.exists(ROOT) is True
    refused(lambda: user.create(), 403, FORBIDDEN)
    assert root.revoke(token_id) is True
    dead_within_a_second(time.monotonic(), user)

    # Its tokens end with it.
    user, _ = account_token(service, root, urn)
    assert user.urn() == urn
    refused(lambda: alice.ask(DELETE_ACCOUNT, urn=urn), 403, "Unauthorized")
    assert root.ask(DELETE_ACCOUNT, urn=urn)["deleteServiceAccount"] is True
    dead_within_a_second(time.monotonic(), user)
    assert root.ask(GET_ACCOUNT, urn=urn)["getServiceAccount"] is None


def test_who_is_no_service_account_gets_no_token_of_one(root: User, alice: User) -> None:
    for urn in (alice.urn(), ROOT, "urn:li:corpuser:service_nobody"):
        wanted = {"type": "SERVICE_ACCOUNT", "actorUrn": urn}
        refused(lambda: root.create(**wanted), 400, "service account")
    # Without the privilege, an account that is there and one that is not look the same.
    texts = set()
    for each in (account(root)["urn"], "urn:li:corpuser:service_nobody"):
        wanted = {"type": "SERVICE_ACCOUNT", "actorUrn": each}
        text = refused(lambda: alice.create(**wanted), 403, "Unauthorized")
        texts.add(text.replace(each, ""))
    assert len(texts) == 1


def test_tokens_made_with_a_token_end_with_it(service: Service, root: User, alice: User) -> None:
    urn = alice.urn()
    first = root.create(actorUrn=urn, name="first")
    user = User(service, first["accessToken"])
    second = user.create(actorUrn=urn, name="second", duration="ONE_YEAR")
    # Tokens end with a second.
    assert second["metadata"]["expiresAt"] == first["metadata"]["expiresAt"] // 1000 * 1000
    child = User(service, second["accessToken"])
    assert child.urn() == urn
    assert root.revoke(first["metadata"]["id"]) is True
    dead_within_a_second(time.monotonic(), user, child)
