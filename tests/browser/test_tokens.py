"""The life of a token: made, copied, used, revoked."""

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from selenium.webdriver.common.keys import Keys

from example import Example, Person
from faults import Faults
from page import PATH, Page
from shell import curl, sink


def test_the_life_of_a_token(page: Page, example: Example, alice: Person, tmp_path: Path) -> None:
    page.log_in(alice)
    assert page.rows() == []
    assert "No access tokens yet" in page.text() and "Generate one above" in page.text()

    made = page.create("nightly load", "Loads the warehouse")
    assert "cannot be seen again" in page.text()
    assert page.copy("Copy token") == made.token
    assert page.copy("Copy curl command") == made.curl
    assert page.copy("Copy ingestion sink").rstrip() == made.sink.rstrip()
    status, body = curl(made.curl, tmp_path)
    assert status == 200 and '"username":"alice"' in body.replace(" ", ""), body
    config, status = sink(made.sink, example)
    assert (config["token"], status) == (made.token, 200)

    # With its dialog still open.
    page.reload()
    assert page.front() is None
    row = page.row("nightly load")
    assert row["Description"] == "Loads the warehouse"
    assert row["Status"] == "Active"
    assert "Alice Example" in row["Acts as"] and "Alice Example" in row["Made by"]
    # In its first second it may be a whole day.
    assert re.match(r"in (1 day|23 hours)\n", row["Expires"]), row
    assert re.match(r"(just now|1 minute ago)\n", row["Created"]), row
    assert made.token not in page.everything()

    page.revoke("nightly load")
    page.says("revoked")
    # At once: this is the very next request.
    status, body = curl(made.curl, tmp_path)
    assert status == 401, body
    assert sink(made.sink, example)[1] == 401
    assert example.names() == []


def test_a_used_token_says_so(page: Page, alice: Person, tmp_path: Path) -> None:
    page.log_in(alice)
    made = page.create("used")
    page.close()
    assert page.row("used")["Last used"] == "Never"
    assert curl(made.curl, tmp_path)[0] == 200

    def seen() -> bool:
        page.reload()
        return page.row("used")["Last used"] != "Never"

    page.wait(seen, "the use is noted", seconds=90)
    assert "127.0.0.1" in page.row("used")["Last used"]


def test_the_lifetimes_of_the_server(page: Page, alice: Person) -> None:
    page.log_in(alice)
    page.start_token("lifetimes")
    assert page.options("Expires in") == [
        "1 hour",
        "1 day",
        "7 days",
        "30 days",
        "90 days",
        "180 days",
        "1 year",
    ]
    assert page.chosen("Expires in") == "1 day"
    for lifetime, days, warned in (
        ("30 days", 30, False),
        ("90 days", 90, False),
        ("1 year", 365, True),
    ):
        page.choose("Expires in", lifetime)
        at = datetime.now(timezone.utc) + timedelta(days=days)
        page.wait(lambda: f"expire on {at.day} {at:%b} {at.year} at" in page.text(), str(at))
        assert ("That is long" in page.text()) is warned
    page.press("Create")
    page.made()
    assert f"{at.day} {at:%b} {at.year}" in page.text()


def test_never_is_offered_only_where_it_is_allowed(page: Page, alice: Person) -> None:
    faults = Faults(page)
    faults.change("query Start", '"allowNoExpiry":false', '"allowNoExpiry":true')
    page.log_in(alice)
    page.reload()
    page.start_token("for ever")
    page.choose("Expires in", "Never")
    assert "This token will never expire." in page.text()
    assert "Anyone who gets hold of this token can use it until somebody revokes it" in page.text()
    # The server has the last word.
    page.press("Create")
    page.alerts("no expiry is disabled")
    assert page.field("Name").get_attribute("value") == "for ever"


def test_the_name_is_needed_and_has_a_limit(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    for name, says in (
        ("", "Give the token a name"),
        ("  ", "Give the token a name"),
        ("n" * 51, "At most 50"),
    ):
        page.start_token(name)
        page.press("Create")
        page.wait(lambda: says in page.text(), says)
        field = page.field("Name")
        assert field.get_attribute("aria-invalid") == "true"
        assert page.driver.switch_to.active_element == field
        page.press("Cancel")
        page.no_dialog()
    page.start_token("n" * 50, "d" * 501)
    page.press("Create")
    page.wait(lambda: "At most 500" in page.text(), "the description has a limit")
    # Pasted whole: nothing is cut off that somebody wrote.
    assert len(page.field("Description").get_attribute("value") or "") == 501
    page.type("Description", "d" * 500)
    page.press("Create")
    page.made()
    assert example.names() == ["n" * 50]


def test_oversized_forms_are_refused(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    page.start_token("\u202e<script>" * 1024, "<script>alert(1)</script>" * 40_000)
    page.press("Create")
    page.wait(lambda: "At most 50" in page.text(), "the name has a limit")
    assert example.names() == []


def test_a_double_click_makes_one_token(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    page.log_in(alice)
    page.start_token("once")
    faults.hold("mutation Create")
    # As fast as can be, and again while the first is under way.
    page.driver.execute_script(
        "for (let i = 0; i < 5; i++) arguments[0].click()", page.button("Create")
    )
    page.wait(faults.is_held, "the first is under way")
    page.keys("\ue007")
    page.driver.execute_script("arguments[0].click()", page.button("Create"))
    faults.release()
    page.made()
    assert faults.asked("mutation Create") == 1
    page.close()
    assert page.names() == ["once"] and example.names() == ["once"]


def test_the_back_button_does_not_bring_a_token_back(page: Page, alice: Person) -> None:
    page.log_in(alice)
    made = page.create("kept to oneself")
    page.driver.get(page.door + "/api/gms/config")
    page.driver.back()
    page.wait(lambda: page.driver.current_url.endswith(PATH), "the page is back")
    page.lists("kept to oneself")
    assert made.token not in page.everything()
    page.driver.forward()
    page.driver.back()
    page.lists("kept to oneself")
    assert made.token not in page.everything()
    # Nor is it anywhere in the history of the window.
    page.press("Generate new token")
    page.dialog("Generate new token")
    assert page.field("Name").get_attribute("value") == ""


def test_a_closed_dialog_leaves_nothing(page: Page, alice: Person) -> None:
    page.log_in(alice)
    made = page.create("closed")
    # Escape alone does not lose a token that nobody has copied.
    page.keys("\ue00c")
    page.alerts("has not been copied")
    assert page.made() == made
    page.copy("Copy token")
    page.keys("\ue00c")
    page.no_dialog()
    assert made.token not in page.everything()


def test_escape_again_and_again_loses_no_token(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    made = page.create("kept")
    # A browser lets a page refuse this only once.
    for _ in range(4):
        page.keys(Keys.ESCAPE)
        page.alerts("has not been copied")
        assert page.made() == made
    page.close()
    assert made.token not in page.everything()
    assert example.names() == ["kept"]


def test_a_token_is_gone_however_its_dialog_is_closed(page: Page, alice: Person) -> None:
    page.log_in(alice)
    made = page.create("closed")
    page.driver.execute_script("document.querySelector('dialog:modal').close()")
    page.wait(lambda: made.token not in page.everything(), "nothing of it is left")


@pytest.mark.parametrize("what", ["Create", "Revoke"])
def test_escape_leaves_nothing_that_is_under_way(
    page: Page, example: Example, alice: Person, what: str
) -> None:
    faults = Faults(page)
    if what == "Revoke":
        example.make(alice, "once")
    page.log_in(alice)
    if what == "Create":
        page.start_token("once")
    else:
        page.press("Revoke once")
        page.dialog("Revoke once?")
    faults.hold(f"mutation {what}")
    page.press(what)
    page.wait(faults.is_held, "it is under way")
    for _ in range(3):
        page.keys(Keys.ESCAPE)
    assert page.front() is not None
    page.driver.execute_script("arguments[0].click()", page.button(what))
    faults.release()
    if what == "Create":
        page.made()
    else:
        page.no_dialog()
        page.says("“once” is revoked")
    assert faults.asked(f"mutation {what}") == 1


def test_whose_token_it_is_is_said_with_it(page: Page, carol: Person) -> None:
    page.log_in(carol)
    page.start_token("for alice")
    page.type("Acts as", "alice")
    page.press("Create")
    page.made()
    assert "“for alice” acts as alice." in page.text()


def test_without_another_address_the_page_names_its_own(
    page: Page, alice: Person, tmp_path: Path
) -> None:
    page.browser.before_load(
        """
        new MutationObserver((_, observer) => {
            if (!document.body) return;
            observer.disconnect();
            document.body.dataset.metadataService = '';
        }).observe(document, { childList: true, subtree: true });
        """
    )
    page.log_in(alice)
    made = page.create("at the door")
    assert f"'{page.door}/api/graphql'" in made.curl
    status, body = curl(made.curl, tmp_path)
    assert status == 200 and '"username":"alice"' in body.replace(" ", ""), body
    assert yaml.safe_load(made.sink)["sink"]["config"]["server"] == page.door


def test_nothing_is_asked_of_anybody_else(page: Page, alice: Person) -> None:
    page.log_in(alice)
    page.create("at home")
    asked = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map(each => each.name)"
    )
    assert asked and all(url.startswith(page.door + "/") for url in asked), asked
    # Nor of anything but what the page says.
    paths = {url.removeprefix(page.door).removeprefix(PATH) for url in asked}
    own = {"/settings.css", "/settings.js", "/icon.svg"}
    assert paths - own == {"/api/graphql", "/logIn"}, paths


def test_a_page_that_is_kept_for_the_back_button_keeps_no_token(page: Page, alice: Person) -> None:
    page.log_in(alice)
    made = page.create("not kept")
    # Whether it keeps a page is for the browser to decide: this is what it says to one.
    page.driver.execute_script(
        "dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))"
    )
    assert made.token not in page.everything()
    page.driver.execute_script(
        "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    )
    page.no_dialog()
    page.lists("not kept")
