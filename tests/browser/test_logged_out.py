"""Who is logged out meanwhile, wherever they are, and who logs in then."""

import pytest
from selenium.webdriver.common.keys import Keys

from example import Example, Person
from faults import Faults
from page import Page


def log_in_again(page: Page, person: Person) -> None:
    """Logs in in the dialog that is over what is open."""
    page.dialog("Log in")
    page.type("User name", person.user)
    page.type("Password", person.password)
    page.press("Log in")


def is_held(page: Page, faults: Faults) -> None:
    page.wait(faults.is_held, "the request is under way")


def test_at_the_creation_itself(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    page.log_in(alice)
    page.start_token("asked in time", "and sent too late")
    faults.hold("mutation Create")
    page.press("Create")
    is_held(page, faults)
    example.end_session(page.cookie())
    faults.release()
    log_in_again(page, alice)
    page.dialog("Generate new token")
    page.says("Nothing was sent meanwhile")
    # Nor is it sent by itself now.
    assert faults.asked("mutation Create") == 1
    assert example.names() == []
    assert page.field("Name").get_attribute("value") == "asked in time"
    assert page.field("Description").get_attribute("value") == "and sent too late"
    page.press("Create")
    page.made()
    assert example.names() == ["asked in time"]


def test_at_the_revocation_itself(page: Page, example: Example, alice: Person) -> None:
    faults = Faults(page)
    example.make(alice, "still good")
    page.log_in(alice)
    page.press("Revoke still good")
    page.dialog("Revoke still good?")
    faults.hold("mutation Revoke")
    page.press("Revoke")
    is_held(page, faults)
    example.end_session(page.cookie())
    faults.release()
    log_in_again(page, alice)
    page.dialog("Revoke still good?")
    page.says("Nothing was sent meanwhile")
    assert faults.asked("mutation Revoke") == 1
    assert example.names() == ["still good"]
    page.press("Revoke")
    page.no_dialog()
    page.says("“still good” is revoked")
    assert example.names() == []


def test_at_the_list(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "later", duration="ONE_MONTH")
    example.make(alice, "soon", duration="ONE_DAY")
    page.log_in(alice)
    example.end_session(page.cookie())
    page.choose("Status", "Expiring in 7 days")
    log_in_again(page, alice)
    page.no_dialog()
    # What was chosen is what is shown.
    page.lists("soon")
    assert page.chosen("Status") == "Expiring in 7 days"


@pytest.mark.parametrize("status", [None, 401])
def test_at_log_out(page: Page, example: Example, alice: Person, status: int | None) -> None:
    faults = Faults(page)
    page.log_in(alice)
    example.end_session(page.cookie())
    if status:
        # Not what this service answers; one with a log-in of its own may.
        faults.fail("/logOut", status)
    page.press("Log out")
    page.field("User name")
    assert page.front() is None
    assert "Logged in as" not in page.text()
    page.fill_log_in(alice)
    page.loaded()


def test_at_the_service_accounts(page: Page, example: Example) -> None:
    create = (
        "mutation Make($input: CreateServiceAccountInput!) "
        "{ createServiceAccount(input: $input) { urn name } }"
    )
    example.graphql(create, {"input": {"displayName": "Loader"}})
    root = example.people["datahub"]
    faults = Faults(page)
    page.log_in(root)
    page.start_token("for the loader")
    faults.fail("query ServiceAccounts", 401)
    page.driver.find_element("css selector", "dialog[open] input[value=SERVICE_ACCOUNT]").click()
    log_in_again(page, root)
    page.dialog("Generate new token")
    page.wait(
        lambda: any("Loader" in each for each in page.options("Service account")),
        "the accounts are offered after all",
    )
    assert page.field("Name").get_attribute("value") == "for the loader"


@pytest.mark.parametrize("end", ["Not now", Keys.ESCAPE], ids=["button", "Escape"])
def test_not_now_keeps_what_is_open(
    page: Page, example: Example, alice: Person, end: str
) -> None:
    page.log_in(alice)
    page.start_token("typed", "and this, too")
    page.driver.delete_all_cookies()
    page.press("Create")
    page.dialog("Log in")
    page.type("Password", alice.password)
    if end == Keys.ESCAPE:
        page.keys(end)
    else:
        page.press(end)
    page.dialog("Generate new token")
    assert page.field("Name").get_attribute("value") == "typed"
    assert page.field("Description").get_attribute("value") == "and this, too"
    assert alice.password not in page.everything()
    # It has to be done some time.
    page.press("Create")
    page.dialog("Log in")
    assert example.names() == []


def test_somebody_else_in_the_dialog(
    page: Page, example: Example, alice: Person, carol: Person
) -> None:
    page.log_in(alice)
    page.start_token("of alice", "her own words")
    page.driver.delete_all_cookies()
    page.press("Create")
    log_in_again(page, carol)
    page.alerts("carol is logged in now, and no longer alice")
    nothing_is_left(page, example)


@pytest.mark.parametrize("held", ["/logIn", "query Who"])
def test_somebody_else_who_would_not_wait(
    page: Page, example: Example, alice: Person, carol: Person, held: str
) -> None:
    faults = Faults(page)
    page.log_in(alice)
    page.start_token("of alice", "her own words")
    page.driver.delete_all_cookies()
    page.press("Create")
    page.dialog("Log in")
    faults.hold(held)
    log_in_again(page, carol)
    is_held(page, faults)
    not_now = page.button("Not now")
    page.driver.execute_script("arguments[0].click()", not_now)
    page.keys(Keys.ESCAPE)
    page.keys(Keys.ESCAPE)
    faults.release()
    page.alerts("carol is logged in now, and no longer alice")
    nothing_is_left(page, example)


def nothing_is_left(page: Page, example: Example) -> None:
    """Carol's page has nothing of Alice's."""
    page.no_dialog()
    page.loaded()
    assert "Logged in as carol" in " ".join(page.text().split())
    for words in ("of alice", "her own words"):
        assert words not in page.everything()
    assert example.names() == []


def test_a_log_out_in_another_tab(page: Page, example: Example, alice: Person) -> None:
    page.log_in(alice)
    page.start_token("typed here")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open()
    page.press("Log out")
    page.field("User name")
    page.driver.switch_to.window(first)
    page.press("Create")
    log_in_again(page, alice)
    page.dialog("Generate new token")
    assert example.names() == []
    page.press("Create")
    page.made()
