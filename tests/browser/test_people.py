"""Who may do what, and who sees what of whom."""

import re
from pathlib import Path

from example import HOSTILE_NAME, Example, Person
from faults import Faults
from page import Page
from shell import curl

BANNER = (
    "Token based authentication is currently disabled. "
    "Contact your DataHub administrator to enable this feature."
)


def test_who_may_not_make_tokens_is_told_why(page: Page, bob: Person) -> None:
    page.log_in(bob)
    button = page.button("Generate new token")
    assert not button.is_enabled()
    text = page.text()
    for words in (
        "Generate Personal Access Tokens",
        "Manage All Access Tokens",
        "Ask your DataHub administrator",
    ):
        assert words in text
    # Nor does he see any.
    assert "You are not allowed to list access tokens" in text
    # The reason belongs to the button for who does not see it, too.
    described = page.driver.execute_script(
        "return document.getElementById(arguments[0].getAttribute('aria-describedby')).textContent",
        button,
    )
    assert "Generate Personal Access Tokens" in described
    page.driver.execute_script("arguments[0].click()", button)
    assert page.front() is None


def test_a_banner_says_that_tokens_are_disabled(page: Page, alice: Person) -> None:
    faults = Faults(page)
    faults.change("query Start", '"tokenAuthEnabled":true', '"tokenAuthEnabled":false')
    page.log_in(alice)
    # The list after log-in came with the true answer already given, or not: this is the first.
    page.reload()
    assert BANNER in page.text()
    assert not page.button("Generate new token").is_enabled()


def test_a_manager_makes_a_token_for_somebody_who_revokes_it(
    page: Page, example: Example, alice: Person, carol: Person, tmp_path: Path
) -> None:
    page.log_in(carol)
    page.start_token("for alice")
    assert page.field("Acts as").get_attribute("value") == "carol"
    page.type("Acts as", "alice")
    page.press("Create")
    made = page.made()
    assert '"username":"alice"' in curl(made.curl, tmp_path)[1].replace(" ", "")
    page.close()
    row = page.row("for alice")
    assert "Alice" in row["Acts as"] and "Carol" in row["Made by"]
    page.press("Log out")
    page.field("User name")

    page.log_in(alice)
    row = page.row("for alice")
    assert "Alice" in row["Acts as"] and "Carol" in row["Made by"]
    page.revoke("for alice")
    assert curl(made.curl, tmp_path)[0] == 401
    assert example.names() == []


def test_nobody_else_sees_a_token(
    page: Page, example: Example, alice: Person, carol: Person
) -> None:
    example.make(carol, "of carol")
    example.make(alice, "of alice")
    page.log_in(alice)
    page.lists("of alice")
    assert "Owner" not in page.fields()
    page.start_token("mine")
    assert "Acts as" not in page.fields()


def test_a_manager_filters_by_owner(
    page: Page, example: Example, alice: Person, carol: Person
) -> None:
    page.log_in(carol)
    page.create("made by carol")
    page.close()
    # Root's own is there, too.
    root = [name for name in page.names() if name != "made by carol"]
    page.type("Owner", "carol")
    page.lists("made by carol")
    page.type("Owner", "alice")
    page.wait(lambda: "No tokens match" in page.text(), "nothing of Alice's is listed")
    page.press("Clear filters")
    page.lists("made by carol", *root)


def test_a_token_of_a_service_account(page: Page, example: Example, tmp_path: Path) -> None:
    create = (
        "mutation Make($input: CreateServiceAccountInput!) "
        "{ createServiceAccount(input: $input) { urn name } }"
    )
    made = example.graphql(create, {"input": {"displayName": "Nightly <b>robot</b>"}})
    account = made["createServiceAccount"]
    page.log_in(example.people["datahub"])
    page.start_token("for the robot")
    page.driver.find_element("css selector", "dialog[open] input[value=SERVICE_ACCOUNT]").click()
    assert "Acts as" not in page.fields()
    page.press("Create")
    page.wait(lambda: "Choose a service account" in page.text(), "one has to be chosen")

    def offered() -> str | None:
        options = page.options("Service account")
        return next((each for each in options if "Nightly <b>robot</b>" in each), None)

    page.choose("Service account", page.wait(offered, "the account is offered"))
    page.press("Create")
    token = page.made()
    assert curl(token.curl, tmp_path)[0] == 200
    page.close()
    [stored] = [each for each in example.tokens() if each["name"] == "for the robot"]
    assert stored["actorUrn"] == account["urn"]
    page.revoke("for the robot")
    assert curl(token.curl, tmp_path)[0] == 401


def test_somebody_unknown_is_no_actor(page: Page, example: Example, carol: Person) -> None:
    page.log_in(carol)
    page.start_token("for nobody")
    page.type("Acts as", "nobody-here")
    page.press("Create")
    page.wait(lambda: "There is no user of this name." in page.text(), "it is said")
    field = page.field("Acts as")
    assert field.get_attribute("aria-invalid") == "true"
    assert page.driver.switch_to.active_element == field
    # What was typed stays, and what was said goes with the next letter.
    assert page.field("Name").get_attribute("value") == "for nobody"
    page.type("Acts as", 'nobody"}) { x')
    assert "There is no user of this name." not in page.text()
    # What can be no name at all is for the service to judge.
    page.press("Create")
    page.alerts("Not a valid urn: the parentheses in the urn's key do not balance")
    assert page.field("Name").get_attribute("value") == "for nobody"
    assert example.names() == []


def test_two_tokens_of_one_name_are_told_apart(
    page: Page, example: Example, alice: Person
) -> None:
    example.make(alice, "twin", description="of the old laptop")
    example.expire("twin")
    example.make(alice, "twin", description="of the new laptop")
    page.log_in(alice)
    page.lists("twin", "twin")
    buttons = page.driver.find_elements("css selector", "tbody button")
    assert [each.accessible_name for each in buttons] == ["Revoke twin"] * 2
    described = [page.driver.execute_script(DESCRIPTION, each) for each in buttons]
    assert described[0] != described[1] and "day ago" in described[1], described
    buttons[1].click()
    dialog = page.dialog("Revoke twin?")
    said = dialog.text
    assert "of the old laptop" in said and "of the new laptop" not in said
    assert re.search(r"Made on \d+ \w+ \d{4} at .*; expired on .*; never used\.", said), said
    page.press("Revoke")
    page.no_dialog()
    page.lists("twin")
    assert page.row("twin")["Description"] == "of the new laptop"


DESCRIPTION = """
const ids = arguments[0].getAttribute('aria-describedby')?.split(' ') ?? [];
return ids.map(id => document.getElementById(id).innerText).join(' ');
"""


def test_what_is_revoked_is_said_before(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "used somewhere")
    page.log_in(alice)
    page.press("Revoke used somewhere")
    said = page.dialog("Revoke used somewhere?").text
    for words in (
        "It acts as alice.",
        "What uses it stops working at once",
        "Tokens that were made with it are revoked, too",
        "This cannot be undone",
    ):
        assert words in said
    page.press("Cancel")
    page.no_dialog()
    assert example.names() == ["used somewhere"]


def test_users_are_offered_to_who_may_list_them(page: Page, example: Example) -> None:
    page.log_in(example.people["datahub"])
    page.type("Owner", "ali")
    page.wait(lambda: "alice" in page.driver.execute_script(OFFERED), "Alice is offered")


OFFERED = """
return [...document.querySelectorAll('#owner-list option')].map(each => each.value);
"""


def test_who_may_manage_service_accounts_alone(page: Page, example: Example, bob: Person) -> None:
    example.grant("accounts", ["bob"], ["MANAGE_SERVICE_ACCOUNTS"])
    try:
        page.log_in(bob)
        page.press("Generate new token")
        dialog = page.dialog("Generate new token")
        personal = dialog.find_element("css selector", "input[value=PERSONAL]")
        account = dialog.find_element("css selector", "input[value=SERVICE_ACCOUNT]")
        assert not personal.is_enabled() and account.is_selected()
        assert "Service account" in page.fields() and "Acts as" not in page.fields()
    finally:
        example.grant("accounts", [], ["MANAGE_SERVICE_ACCOUNTS"])


# What stands in a message, a title or an option and turns what stands after it.
TURNED = """
const texts = [...document.querySelectorAll('[role=status], [role=alert]')].flatMap(
    region => [...region.childNodes].filter(node => node.nodeName !== 'BDI').map(
        node => node.textContent));
const titles = [...document.querySelectorAll('[title]')].map(each => each.title);
const options = [...document.querySelectorAll('option')].map(each => each.textContent);
return [...texts, ...titles.filter(each => /\\(.*\\)$/.test(each)), ...options].filter(
    each => /[\\u202a-\\u202e]/.test(each));
"""
HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u202egnp.exe",
    "'\"><b>",
    "{{path}} ${1}",
    "W" * 50,
    "\u05e9\u05dc\u05d5\u05dd (a) 1",
)


def test_hostile_names_show_as_text(page: Page, example: Example, carol: Person) -> None:
    mallory = example.people["mallory"]
    token = example.make(mallory, "to make more with", duration="ONE_YEAR")
    for name in HOSTILE_NAMES:
        example.make(mallory, name, token, description=name * (500 // len(name)))
    # Her own name is everywhere on her page.
    page.log_in(mallory)
    for name in HOSTILE_NAMES:
        row = page.row(name)
        assert row["Description"] == name * (500 // len(name))
        assert HOSTILE_NAME[:40] in row["Made by"]
    assert page.driver.find_elements("css selector", "main script, main img, main b, main .x") == []
    # What is long is clipped where it is seen: no row is a page of its own.
    tall = page.driver.execute_script(
        "return Math.max(...[...document.querySelectorAll('tbody tr')].map(each => each.offsetHeight))"
    )
    assert tall < 250
    page.check()
    page.browser.screenshot("hostile-names", whole=True)
    # What turns text around turns none of the words beside it.
    name = "\u202egnp.exe"
    page.press(f"Revoke {name}")
    page.press("Revoke")
    page.no_dialog()
    said = page.says("is revoked")
    assert "gnp.exe" in said
    assert page.driver.execute_script(TURNED) == []
    example.make(mallory, name, token, description=name)
    page.press(f"Revoke {HOSTILE_NAMES[0]}")
    page.dialog(f"Revoke {HOSTILE_NAMES[0]}?")
    page.check()
    page.browser.screenshot("hostile-revoke")
    page.press("Cancel")
    page.press("Log out")
    page.field("User name")
    # And on a manager's, where she is somebody to choose.
    page.log_in(carol)
    page.type("Owner", "mallory")
    page.wait(lambda: set(page.names()) == set(HOSTILE_NAMES), "her tokens are listed")
    page.browser.narrow()
    page.check()
    page.browser.screenshot("hostile-names-narrow", whole=True)
