"""Logging in and out, and what a session is good for."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from browser import Browser
from example import Example, Person
from faults import Faults
from page import PATH, Page

WHO = {"query": "{ me { corpUser { username } } }"}


def test_log_in_and_out(page: Page, example: Example, alice: Person) -> None:
    page.open()
    assert page.fields() == ["User name", "Password"]
    assert page.driver.current_url == example.front + PATH
    page.fill_log_in(alice)
    page.loaded()
    assert "Logged in as alice" in " ".join(page.text().split())
    sent = {"Cookie": page.cookie()}
    status, _, body = example.post("/api/graphql", WHO, sent)
    assert (status, json.loads(body)["data"]["me"]["corpUser"]["username"]) == (200, "alice")
    page.press("Log out")
    page.field("User name")
    assert page.driver.get_cookies() == []
    # Whoever has kept the cookie has nothing.
    assert example.post("/api/graphql", WHO, sent)[0] == 401
    page.reload()
    page.field("User name")


def test_the_front_door_leads_to_the_page(page: Page, example: Example) -> None:
    page.driver.get(example.front + "/")
    page.ready()
    assert page.driver.current_url == example.front + PATH


def test_the_cookie_is_out_of_reach(page: Page, alice: Person) -> None:
    page.log_in(alice)
    [cookie] = page.driver.get_cookies()
    assert cookie["name"] == "tower_pat_session"
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["value"] not in page.everything()
    assert page.driver.execute_script("return document.cookie") == ""


def test_a_session_is_good_for_its_cookie_only(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    [cookie] = page.driver.get_cookies()
    bearer = {"Authorization": f"Bearer {cookie['value']}"}
    sent = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    assert example.post("/api/graphql", WHO, sent)[0] == 200
    assert example.post("/api/graphql", WHO, bearer)[0] == 401
    # Whom a request with both is from is not guessed.
    token = {"Authorization": f"Bearer {example.make(alice, 'her own')}"}
    assert example.post("/api/graphql", WHO, token)[0] == 200
    assert example.post("/api/graphql", WHO, sent | token)[0] == 400
    # Nobody lists the session.
    assert example.names() == ["her own"]


@pytest.mark.parametrize("user", ["alice", "nobody-of-this-name"])
def test_a_wrong_password_is_said(page: Page, alice: Person, user: str) -> None:
    page.open()
    page.type("User name", user)
    page.type("Password", "not the password")
    page.press("Log in")
    said = page.alerts("wrong")
    assert said == "User name or password is wrong, or you are not allowed to log in."
    # The name is still there, and the next try works.
    assert page.field("User name").get_attribute("value") == user
    page.fill_log_in(alice)
    page.loaded()


def test_an_empty_form_is_not_sent(page: Page, example: Example) -> None:
    page.open()
    page.press("Log in")
    page.alerts("Enter your user name")
    assert page.driver.switch_to.active_element.accessible_name == "User name"


def test_a_log_in_with_everything_in_it_is_refused(page: Page) -> None:
    page.open()
    page.type("User name", "urn:li:corpuser:" + "<b>\u202e" * 3000)
    page.type("Password", '"}\\' * 3000)
    page.press("Log in")
    # It is not the password that is wrong.
    assert "wrong" not in page.alerts("large|big|long")
    assert page.field("User name").is_displayed()


@pytest.mark.parametrize(
    ("status", "body", "headers", "says"),
    [
        (404, {"message": "there is nothing here"}, {}, "There is nothing here."),
        (429, {"message": "slower"}, {}, "too many attempts. Try again later"),
        (429, {"message": "slower"}, {"Retry-After": "soon"}, "too many attempts"),
        (429, {"message": "slower"}, {"Retry-After": "300"}, "Try again in 5 minutes"),
        (503, {"message": "the store is away"}, {}, "The store is away"),
    ],
)
def test_a_refusal_is_said_as_what_it_is(
    page: Page,
    alice: Person,
    status: int,
    body: dict[str, str],
    headers: dict[str, str],
    says: str,
) -> None:
    faults = Faults(page)
    page.open()
    faults.fail("/logIn", status, json.dumps(body), **headers)
    page.fill_log_in(alice)
    assert "wrong" not in page.alerts(re.escape(says))


def test_a_double_click_logs_in_and_out_once(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    page.open()
    page.type("User name", alice.user)
    page.type("Password", alice.password)
    for name, path in (("Log in", "/logIn"), ("Log out", "/logOut")):
        faults.hold(path)
        button = page.button(name)
        page.driver.execute_script("for (let i = 0; i < 5; i++) arguments[0].click()", button)
        page.wait(faults.is_held, "the first is under way")
        page.driver.execute_script("arguments[0].click()", button)
        faults.release()
        if name == "Log in":
            page.loaded()
        else:
            page.field("User name")
        assert faults.asked(path) == 1
    assert page.driver.get_cookies() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"username": "alice"}', 400),
        (b'{"username": ["alice"], "password": {}}', 400),
        (b'{"username": "\xff", "password": ""}', 400),
        (json.dumps({"username": "alice", "password": "x" * 100_000}).encode(), 413),
    ],
    ids=["nothing", "half", "list", "no password", "types", "bytes", "large"],
)
def test_malformed_log_ins_have_an_answer(example: Example, body: bytes, status: int) -> None:
    got, headers, text = example.post("/logIn", body)
    assert got == status, text
    assert headers["Set-Cookie"] is None
    assert json.loads(text)["message"]


def test_too_many_attempts_are_said(page: Page, carol: Person) -> None:
    page.open()
    for attempt in range(40):
        page.type("User name", "somebody-else")
        page.type("Password", f"guess {attempt}")
        page.press("Log in")
        if "too many" in page.alerts("wrong|too many"):
            break
    else:
        raise AssertionError("guesses are not limited")
    # Others log in from here all the same.
    page.fill_log_in(carol)
    page.loaded()


MUTATION = "mutation($i: CreateAccessTokenInput!) { createAccessToken(input: $i) { accessToken } }"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
    ],
    ids=["same site", "other site", "other origin", "no origin"],
)
@pytest.mark.parametrize(
    "path", ["/api/graphql", "/api/v2/graphql", "/api/gms/api/graphql", "/logOut"]
)
def test_what_another_origin_sends_is_refused(
    example: Example, alice: Person, path: str, headers: dict[str, str]
) -> None:
    cookie = {"Cookie": log_in(example, alice)}
    wanted = {"type": "PERSONAL", "actorUrn": alice.urn, "duration": "ONE_DAY", "name": "stolen"}
    body = {"query": MUTATION, "variables": {"i": wanted}}
    status, _, text = example.post(path, body, cookie | headers)
    assert (status, json.loads(text)["code"]) == (403, "cross_origin"), text
    assert example.names() == []
    # The same is done for the page, so it is the origin that was refused.
    own = {"Sec-Fetch-Site": "same-origin", "Origin": example.front}
    assert example.post("/api/graphql", body, cookie | own)[0] == 200
    assert example.names() == ["stolen"]


def log_in(example: Example, person: Person) -> str:
    """Logs somebody in who uses no browser, and returns the cookie."""
    body = {"username": person.user, "password": person.password}
    status, headers, text = example.post("/logIn", body)
    assert status == 200, text
    return str(headers["Set-Cookie"]).partition(";")[0]


def test_the_page_is_served_with_what_protects_it(example: Example) -> None:
    for path in (PATH, f"{PATH}/settings.js", f"{PATH}/settings.css"):
        status, headers, text = example.get(path)
        assert status == 200, text
        policy = headers["Content-Security-Policy"]
        rules = dict(each.strip().split(" ", 1) for each in policy.split(";"))
        assert rules["default-src"] == "'none'"
        for name in ("script-src", "style-src", "connect-src", "img-src"):
            assert rules[name] == "'self'", name
        for name in ("base-uri", "form-action", "frame-ancestors"):
            assert rules[name] == "'none'", name
        assert "unsafe" not in policy
        assert rules["require-trusted-types-for"] == "'script'"
        assert rules["trusted-types"] == "'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        # A new version must not work with an old part, and nothing of a person is in any.
        assert headers["Cache-Control"] == ("no-store" if path == PATH else "no-cache")


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another origin on the same host: its requests carry `SameSite` cookies, too."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>elsewhere</title><body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page that is not ours."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_origin_changes_nothing(
    page: Page, browser: Browser, example: Example, alice: Person, elsewhere: str
) -> None:
    page.log_in(alice)
    wanted = {"type": "PERSONAL", "actorUrn": alice.urn, "duration": "ONE_DAY", "name": "stolen"}
    body = json.dumps({"query": MUTATION, "variables": {"i": wanted}})
    page.driver.get(elsewhere)
    script = """
        const [url, body, type, done] = arguments;
        fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body,
                     headers: { 'Content-Type': type } }).then(() => done('sent'), done);
    """
    for path in ("/api/graphql", "/api/v2/graphql", "/api/gms/api/graphql"):
        for kind in ("application/json", "text/plain"):
            url = example.front + path
            assert page.driver.execute_async_script(script, url, body, kind) == "sent"
    # A form goes along with its cookies as if a person had followed it.
    page.driver.execute_script(
        "document.body.innerHTML = `<form method=post action='${arguments[0]}'></form>`;"
        "document.forms[0].submit()",
        example.front + "/logOut",
    )
    page.wait(lambda: page.driver.current_url.startswith(example.front), "the form is sent")
    page.open()
    assert "Logged in as alice" in " ".join(page.text().split())
    assert page.names() == [] and example.names() == []
    browser.log()


def test_no_other_page_can_frame_it(page: Page, browser: Browser, elsewhere: str) -> None:
    page.driver.get(elsewhere)
    page.driver.execute_script(
        "document.body.innerHTML = `<iframe src='${arguments[0]}'></iframe>`", page.door + PATH
    )
    page.wait(
        lambda: any("frame-ancestors" in entry["message"] for entry in browser.log()),
        "the browser refuses to frame it",
    )
