"""The tests' own eyes: what they would not see could go wrong unnoticed."""

import time
from pathlib import Path
from typing import Any

import pytest

from service import Service, soon

TABLE = "urn:li:dataset:(urn:li:dataPlatform:hive,db.seen,PROD)"
# The beginning of a token, which is all that is looked for.
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkYXRhaHViIn0"
PROGRAM = """#!/bin/sh
trap 'exit {code}' TERM
echo "token: x"
echo "password: x"
echo "front door on http://localhost:1"
echo "listening on http://127.0.0.1:1"
echo "{logged}" >&2
{then}
while :; do sleep 0.02; done
"""


def pretended(folder: Path, code: int = 0, logged: str = "fine", then: str = "") -> Service:
    """A program that only pretends to be the service."""
    program = folder / "program"
    program.write_text(PROGRAM.format(code=code, logged=logged, then=then))
    program.chmod(0o755)
    service = Service(program, folder)
    soon(lambda: logged in service.log(), time.monotonic(), "the log is written", seconds=20)
    return service


def test_a_good_end(tmp_path: Path) -> None:
    pretended(tmp_path).stop()


@pytest.mark.parametrize(
    "how",
    [
        {"code": 3},
        {"logged": "thread 'main' panicked at src/lib.rs:1"},
        {"logged": f"request with {TOKEN}.abc"},
        {"then": "exit 0"},
    ],
    ids=["status", "panic", "token", "by itself"],
)
def test_a_bad_end_is_noticed(tmp_path: Path, how: dict[str, Any]) -> None:
    service = pretended(tmp_path, **how)
    if "then" in how:
        service._process.wait(20)
    with pytest.raises(AssertionError):
        service.stop()


WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "group": ("corpGroup", {"corpGroupInfo": {"displayName": "g", "admins": [], "members": []}}),
    "domain": ("domain", {"domainProperties": {"name": "d"}}),
    "dataset": ("dataset", {"status": {"removed": False}}),
}
URNS = {"group": "urn:li:corpGroup:seen", "domain": "urn:li:domain:seen", "dataset": TABLE}


@pytest.mark.parametrize("what", WRITES)
def test_new_entities_are_seen(service: Service, what: str) -> None:
    kind, aspects = WRITES[what]
    before = service.state()
    entity = {"urn": URNS[what], **{name: {"value": value} for name, value in aspects.items()}}
    if kind == "corpGroup":
        entity["corpGroupInfo"]["value"]["groups"] = []
    status, answer = service.send("POST", f"/openapi/v3/entity/{kind}", [entity])
    assert status == 200, (status, answer)
    assert service.state() != before


def test_policies_users_and_tokens_are_seen(service: Service) -> None:
    states = [service.state()]
    user = service.create_user("seen")
    states.append(service.state())
    service.create_policy("seen", user, ["EDIT_ENTITY"], "tag")
    states.append(service.state())
    service.create_token(user, "seen")
    states.append(service.state())
    assert all(before != after for before, after in zip(states, states[1:]))


def test_events_are_seen(service: Service) -> None:
    entity = [{"urn": TABLE, "status": {"value": {"removed": False}}}]
    assert service.send("POST", "/openapi/v3/entity/dataset", entity)[0] == 200
    before = service.state([TABLE])
    assert service.state([TABLE]) == before
    aspect = {"value": '{"timestampMillis": 1, "rowCount": 1}', "contentType": "application/json"}
    proposal = {
        "entityType": "dataset",
        "entityUrn": TABLE,
        "changeType": "UPSERT",
        "aspectName": "datasetProfile",
        "aspect": aspect,
    }
    status, answer = service.send("POST", "/aspects?action=ingestProposal", {"proposal": proposal})
    assert status == 200, (status, answer)
    assert service.state([TABLE]) != before


def test_soon_judges_a_question_by_when_it_was_put() -> None:
    def slow() -> bool:
        time.sleep(0.3)
        return True

    soon(slow, time.monotonic(), "it holds", seconds=0.1)
    begun = time.monotonic()
    with pytest.raises(AssertionError, match="too late"):
        soon(lambda: False, begun, "it holds", seconds=0.1)
    assert time.monotonic() - begun < 20


def test_pages_follow_whatever_the_place_is_called(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []

    def send(method: str, path: str, *_more: Any) -> tuple[int, Any]:
        paths.append(path)
        place = "a+b/c&count=0#" if len(paths) == 1 else None
        return 200, {"entities": [len(paths)], "scrollId": place}

    monkeypatch.setattr(service, "send", send)
    assert service.entities("tag") == [1, 2]
    assert paths[1].endswith("&scrollId=a%2Bb%2Fc%26count%3D0%23")
