"""What goes wrong in the middle of work, and what the page says to it."""

import re
from datetime import datetime, timedelta, timezone

import pytest

from example import Example, Person
from faults import Faults
from page import Page


def test_a_session_that_ends_in_the_middle(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    page.start_token("typed already", "and this, too")
    page.choose("Expires in", "7 days")
    sent = {"Cookie": page.cookie()}
    assert example.post("/logOut", b"", sent)[0] == 204
    page.press("Create")
    page.dialog("Log in")
    page.check()
    page.browser.screenshot("logged-out-in-the-middle")
    assert page.field("User name").get_attribute("value") == "alice"
    page.type("Password", alice.password)
    page.press("Log in")
    page.dialog("Generate new token")
    # Nothing was sent by itself, and nothing is lost.
    assert example.names() == []
    assert page.field("Name").get_attribute("value") == "typed already"
    assert page.field("Description").get_attribute("value") == "and this, too"
    assert page.chosen("Expires in") == "7 days"
    page.press("Create")
    page.made()
    assert example.names() == ["typed already"]


def test_a_session_that_ends_before_a_revocation(
    page: Page, example: Example, alice: Person
) -> None:
    example.make(alice, "to revoke")
    page.log_in(alice)
    page.press("Revoke to revoke")
    page.dialog("Revoke to revoke?")
    page.driver.delete_all_cookies()
    page.press("Revoke")
    page.dialog("Log in")
    page.type("Password", alice.password)
    page.press("Log in")
    page.dialog("Revoke to revoke?")
    assert example.names() == ["to revoke"]
    page.press("Revoke")
    page.no_dialog()
    page.wait(lambda: example.names() == [], "it is revoked")


def test_somebody_else_in_another_tab(
    page: Page, example: Example, alice: Person, carol: Person
) -> None:
    page.log_in(alice)
    page.start_token("whose is it")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open()
    page.press("Log out")
    page.fill_log_in(carol)
    page.loaded()
    page.driver.switch_to.window(first)
    page.press("Create")
    page.alerts("carol is logged in now")
    page.loaded()
    assert "Logged in as carol" in " ".join(page.text().split())
    assert page.front() is None
    assert example.names() == []
    assert "whose is it" not in page.everything()


def test_a_row_that_was_revoked_in_another_tab(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "twice")
    page.log_in(alice)
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open()
    page.revoke("twice")
    page.driver.switch_to.window(first)
    assert page.names() == ["twice"]
    page.press("Revoke twice")
    page.dialog("Revoke twice?")
    page.press("Revoke")
    page.no_dialog()
    said = page.says("revoked")
    assert said == "“twice” was revoked already, or is no longer yours to revoke."
    page.lists()


def test_without_a_network(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    page.start_token("offline", "still typed")
    page.browser.offline()
    page.press("Create")
    page.alerts("cannot be reached")
    page.browser.screenshot("offline")
    assert page.field("Name").get_attribute("value") == "offline"
    assert page.field("Description").get_attribute("value") == "still typed"
    page.browser.offline(False)
    page.press("Create")
    page.made()
    assert example.names() == ["offline"]


def test_an_answer_that_is_lost(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    page.log_in(alice)
    page.start_token("perhaps")
    faults.lose("mutation Create")
    page.press("Create")
    said = page.alerts("may have been made")
    assert "perhaps" in said
    # Made it was; the page shows it, and does not try by itself.
    assert faults.asked("mutation Create") == 1
    page.press("Cancel")
    page.lists("perhaps")
    page.revoke("perhaps")
    assert example.names() == []


LATE = '{"data": null, "errors": [{"message": "it fell over", "path": ["createAccessToken"], %s}]}'


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (LATE % '"extensions": {"code": 500, "type": "SERVER_ERROR"}', "It fell over"),
        (LATE % '"locations": []', "It fell over"),
        ('{"data": {"createAccessTok', "cut off"),
        ("{}", "not understood"),
    ],
    ids=["error", "no code", "cut off", "empty"],
)
def test_a_creation_that_fails_after_its_work(
    page: Page, example: Example, alice: Person, answer: str, says: str
) -> None:
    faults = Faults(page)
    page.log_in(alice)
    page.start_token("perhaps")
    faults.replace("mutation Create", answer)
    page.press("Create")
    said = page.alerts("may have been made")
    assert says in said and "perhaps" in said
    page.press("Cancel")
    page.lists("perhaps")
    assert example.names() == ["perhaps"]


def test_a_revocation_whose_answer_is_lost(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    example.make(alice, "lost")
    page.log_in(alice)
    page.press("Revoke lost")
    page.dialog("Revoke lost?")
    faults.lose("mutation Revoke")
    page.press("Revoke")
    page.alerts("It is not certain that the token is revoked. Try again")
    assert example.names() == []
    page.press("Revoke")
    page.no_dialog()
    assert "“lost” was revoked already" in page.says("revoked")
    page.lists()


def test_nobody_waits_for_ever(page: Page, example: Example, alice: Person) -> None:
    # A hundredth of the time that a person is made to wait.
    page.browser.before_load(
        "const timeout = AbortSignal.timeout.bind(AbortSignal); window.limits = [];"
        "AbortSignal.timeout = ms => { window.limits.push(ms); return timeout(ms / 100); }"
    )
    faults = Faults(page)
    page.log_in(alice)
    page.start_token("late")
    faults.hold("mutation Create")
    page.press("Create")
    page.wait(faults.is_held, "it is under way")
    page.driver.execute_async_script("setTimeout(arguments[0], 400)")
    faults.release()
    page.alerts("did not answer in time.*may have been made")
    assert set(page.driver.execute_script("return window.limits")) == {30_000}
    assert page.field("Name").get_attribute("value") == "late"
    assert example.names() == []


def test_a_service_that_fails(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    example.make(alice, "kept")
    page.log_in(alice)
    for status in (500, 502, 503, 504):
        faults.fail("query Tokens", status)
        page.choose("Status", "Active" if page.chosen("Status") == "All" else "All")
        page.alerts(str(status))
    page.choose("Status", "Expired")
    page.choose("Status", "All")
    page.lists("kept")
    page.start_token("not now")
    faults.fail("mutation Create", 503)
    page.press("Create")
    page.alerts("503")
    assert page.field("Name").get_attribute("value") == "not now"
    page.press("Create")
    page.made()
    page.close()
    page.press("Revoke not now")
    faults.fail("mutation Revoke", 502)
    page.dialog("Revoke not now?")
    page.press("Revoke")
    page.alerts("502")
    page.press("Revoke")
    page.no_dialog()
    page.lists("kept")


def test_a_start_that_fails_can_be_tried_again(page: Page, alice: Person) -> None:
    page.log_in(alice)
    faults = Faults(page)
    page.browser.before_load(
        "window.faults.push({text: 'query Start', how: 'status', status: 503})"
    )
    page.driver.refresh()
    page.alerts("503")
    page.browser.screenshot("start-failed")
    page.press("Try again")
    page.loaded()
    assert faults.asked("query Start") == 2


def test_a_privilege_that_is_lost_meanwhile(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    page.start_token("too late")
    example.allow_to_generate(but="alice")
    page.press("Create")
    page.alerts("administrator|privilege")
    assert page.field("Name").get_attribute("value") == "too late"
    page.press("Cancel")
    page.no_dialog()
    page.wait(lambda: not page.button("Generate new token").is_enabled(), "the button says so, too")
    assert "Generate Personal Access Tokens" in page.text()
    assert example.names() == []


def test_a_slow_answer_does_not_replace_a_newer_one(
    page: Page, example: Example, alice: Person
) -> None:
    faults = Faults(page)
    example.make(alice, "first")
    example.make(alice, "second")
    page.log_in(alice)
    faults.hold('"first"')
    page.type("Search tokens", "first")
    page.wait(faults.is_held, "the search is under way")
    page.type("Search tokens", "second")
    page.lists("second")
    faults.release()
    page.driver.execute_async_script("setTimeout(arguments[0], 300)")
    assert page.names() == ["second"]


def test_who_is_suspended_is_asked_to_log_in(page: Page, example: Example) -> None:
    dave = example.people["dave"]
    page.log_in(dave)
    page.start_token("of somebody who is gone")
    example.suspend(dave.urn)
    page.press("Create")
    page.dialog("Log in")
    page.type("Password", dave.password)
    page.press("Log in")
    page.alerts("not allowed to log in")
    assert example.names() == []


def test_a_wrong_clock_of_the_browser_does_not_lie(
    page: Page, example: Example, alice: Person
) -> None:
    page.browser.before_load(
        "const real = Date.now; Date.now = () => real() + 400 * 24 * 60 * 60 * 1000"
    )
    example.make(alice, "in a month", duration="ONE_MONTH")
    page.log_in(alice)
    assert re.match(r"in (29|30) days\n", page.row("in a month")["Expires"])
    page.press("Generate new token")
    page.dialog("Generate new token")
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    assert f"{tomorrow.day} {tomorrow:%b} {tomorrow.year}" in page.text()


def test_what_cannot_be_copied_is_selected(page: Page, alice: Person) -> None:
    page.browser.before_load(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'))"
    )
    page.log_in(alice)
    made = page.create("by hand")
    for button, text in (
        ("Copy token", made.token),
        ("Copy curl command", made.curl),
        ("Copy ingestion sink", made.sink),
    ):
        page.press(button)
        page.alerts("could not be copied")
        assert page.selected().strip() == text.strip()
