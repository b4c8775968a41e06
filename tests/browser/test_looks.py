"""How every state looks: nobody is kept out, nothing sticks out, and a screenshot shows it."""

import pytest

from example import Example, Person
from faults import Faults
from page import Page

MODES = ("light", "dark", "narrow", "narrow-dark")
TOKENS = (
    ("laptop", "Before the move to the new one", "ONE_DAY"),
    ("notebook of the team that writes the report", "Reads lineage each month", "THREE_MONTHS"),
    ("dashboards", "Refreshes sales, stock and returns", "ONE_DAY"),
)


@pytest.mark.parametrize("mode", MODES)
def test_every_state(
    page: Page, example: Example, alice: Person, bob: Person, carol: Person, mode: str
) -> None:
    is_dark = mode.endswith("dark")
    page.browser.media(prefers_color_scheme="dark" if is_dark else "light")
    if mode.startswith("narrow"):
        page.browser.narrow()
    number = 0

    def look(state: str, whole: bool = False) -> None:
        nonlocal number
        number += 1
        page.settle()
        page.check()
        page.browser.screenshot(f"{mode}-{number:02}-{state}", whole)

    page.open()
    look("log-in")
    page.press("Log in")
    page.alerts("Enter your user name")
    look("log-in-refused")
    page.fill_log_in(bob)
    page.loaded()
    look("without-privilege")
    page.press("Log out")
    page.field("User name")
    page.fill_log_in(alice)
    page.loaded()
    assert page.is_dark() is is_dark
    look("empty")
    page.start_token("", "Loads the warehouse each night")
    page.press("Create")
    page.wait(lambda: "Give the token a name" in page.text(), "the name is missing")
    look("new-token-without-name")
    page.type("Name", "nightly load")
    page.choose("Expires in", "1 year")
    look("new-token")
    page.press("Create")
    page.made()
    look("token")
    page.copy("Copy token")
    look("token-copied")
    page.close()
    for name, description, duration in TOKENS:
        example.make_in(page.cookie(), alice, name, description=description, duration=duration)
    example.expire("laptop")
    page.reload()
    look("list", whole=True)
    page.press("Revoke dashboards")
    page.dialog("Revoke dashboards?")
    look("revoke")
    page.press("Revoke")
    page.no_dialog()
    page.says("revoked")
    look("revoked", whole=True)
    page.type("Search tokens", "nothing like this")
    page.wait(lambda: "No tokens match" in page.text(), "nothing is found")
    look("no-match")
    page.press("Log out")
    page.field("User name")
    page.fill_log_in(carol)
    page.loaded()
    look("manager", whole=True)
    page.press("Generate new token")
    page.dialog("Generate new token")
    look("manager-new-token")
    page.press("Cancel")
    page.no_dialog()
    Faults(page).change("query Start", '"tokenAuthEnabled":true', '"tokenAuthEnabled":false')
    page.reload()
    look("tokens-disabled")


def test_motion_is_optional(page: Page, alice: Person) -> None:
    page.browser.media(prefers_reduced_motion="reduce")
    faults = Faults(page)
    page.log_in(alice)
    page.press("Generate new token")
    page.dialog("Generate new token")
    moving = page.driver.execute_script(
        """
        return [...document.querySelectorAll('*')].filter(each => {
            const style = getComputedStyle(each);
            const seconds = Math.max(...style.transitionDuration.split(',').map(parseFloat));
            return style.animationName !== 'none' || seconds > 0;
        }).map(each => each.outerHTML.slice(0, 100));
        """
    )
    assert moving == []
    # Nor what turns while something is under way, which is no element of its own.
    faults.hold("mutation Create")
    page.type("Name", "still")
    page.press("Create")
    page.wait(faults.is_held, "it is under way")
    assert page.driver.execute_script("return document.getAnimations().length") == 0
    faults.release()
    page.made()


def test_large_text_fits(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "nightly load", description="Loads the warehouse")
    page.log_in(alice)
    # As wide as a window of 1280 pixels is at a zoom of 400 %.
    page.browser.narrow(320)
    page.settle()
    page.check()
    page.browser.screenshot("zoomed", whole=True)
