"""The page of a service with a log-in of its own: at another address, or one that the page does not
know. The settings in the page are those that the service writes there for it."""

import json

import pytest

from example import Example, Person
from faults import Faults
from page import PATH, Page

# Runs when the body is there, and before the page's own script.
SETTINGS = """
new MutationObserver((_, observer) => {
    if (!document.body) return;
    observer.disconnect();
    Object.assign(document.body.dataset, %s);
}).observe(document, { childList: true, subtree: true });
"""
KINDS = ("link", "none")


def set_up(page: Page, kind: str) -> None:
    """Loads the page as such a service serves it."""
    elsewhere = page.door + "/api/gms/config" if kind == "link" else ""
    settings = {"logIn": kind, "logInPath": elsewhere, "logOutPath": ""}
    page.browser.before_load(SETTINGS % json.dumps(settings))
    page.driver.get(page.door + PATH)


def log_in_elsewhere(page: Page, example: Example, person: Person) -> None:
    """Logs in, but not in the page."""
    status, headers, text = example.post(
        "/logIn", {"username": person.user, "password": person.password}
    )
    assert status == 200, text
    name, _, value = headers["Set-Cookie"].partition(";")[0].partition("=")
    page.browser.cdp(
        "Network.setCookie", name=name, value=value, url=page.door, httpOnly=True, path="/"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_start(page: Page, example: Example, alice: Person, kind: str) -> None:
    set_up(page, kind)
    page.press("Go on")
    page.alerts("You are not logged in yet")
    assert page.fields() == []
    page.check()
    page.browser.screenshot(f"own-log-in-{kind}")
    links = page.driver.find_elements("link text", "Log in on another page")
    if kind == "link":
        [link] = links
        assert link.get_attribute("href") == page.door + "/api/gms/config"
        # The page stays where it is.
        link.click()
        page.wait(lambda: len(page.driver.window_handles) == 2, "a tab is opened")
    else:
        assert links == []
        assert "or ask your DataHub administrator" in page.text()
    log_in_elsewhere(page, example, alice)
    page.press("Go on")
    page.loaded()
    assert "Logged in as alice" in " ".join(page.text().split())
    # Who did not log in here does not log out here.
    assert page.find_button("Log out") is None
    assert page.focused() == "Generate new token"


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_middle(page: Page, example: Example, alice: Person, kind: str) -> None:
    log_in_elsewhere(page, example, alice)
    set_up(page, kind)
    page.loaded()
    page.start_token("typed already")
    page.driver.delete_all_cookies()
    page.press("Create")
    page.dialog("Log in")
    page.check()
    page.press("Go on")
    page.alerts("You are not logged in yet")
    log_in_elsewhere(page, example, alice)
    page.press("Go on")
    page.dialog("Generate new token")
    assert page.field("Name").get_attribute("value") == "typed already"
    assert example.names() == []
    page.press("Create")
    page.made()
    assert example.names() == ["typed already"]


def test_somebody_else(page: Page, example: Example, alice: Person, carol: Person) -> None:
    log_in_elsewhere(page, example, alice)
    set_up(page, "link")
    page.loaded()
    page.start_token("of alice")
    page.driver.delete_all_cookies()
    page.press("Create")
    page.dialog("Log in")
    log_in_elsewhere(page, example, carol)
    page.press("Go on")
    page.alerts("carol is logged in now, and no longer alice")
    page.no_dialog()
    page.loaded()
    assert "of alice" not in page.everything()
    assert example.names() == []


def test_a_way_to_the_log_in_is_no_answer(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    log_in_elsewhere(page, example, alice)
    set_up(page, "link")
    page.loaded()
    page.start_token("kept")
    faults.redirect("query Who")
    page.press("Create")
    page.dialog("Log in")
    page.press("Go on")
    page.dialog("Generate new token")
    assert page.field("Name").get_attribute("value") == "kept"


def test_the_focus_is_somewhere_where_nothing_can_be_pressed(
    page: Page, example: Example, alice: Person
) -> None:
    faults = Faults(page)
    faults.change("query Start", '"tokenAuthEnabled":true', '"tokenAuthEnabled":false')
    # The first answer is that nobody is logged in, and uses the fault up.
    faults.change("query Start", '"tokenAuthEnabled":true', '"tokenAuthEnabled":false')
    example.make(alice, "made before")
    set_up(page, "none")
    page.button("Go on")
    log_in_elsewhere(page, example, alice)
    page.press("Go on")
    page.lists("made before")
    assert not page.button("Generate new token").is_enabled()
    page.wait(lambda: page.focused() == "Manage Access Tokens", "the focus is on the heading")
    page.revoke("made before")
    page.wait(lambda: page.focused() == "Manage Access Tokens", "the focus is on the heading")
