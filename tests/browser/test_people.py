"""Who may do what, and who sees what of whom."""

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
    page.wait(lambda: len(page.options("Service account")) == 2, "the account is offered")
    shown = page.options("Service account")[1]
    assert shown.startswith("Nightly <b>robot</b> (")
    page.choose("Service account", shown)
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
    page.type("Acts as", 'nobody"}) { x')
    page.press("Create")
    page.alerts(".")
    assert page.field("Name").get_attribute("value") == "for nobody"
    assert example.names() == []


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
