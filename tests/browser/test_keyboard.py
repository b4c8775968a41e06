"""Everything without a mouse, and the focus always where somebody can see it."""

from selenium.webdriver.common.keys import Keys

from example import Example, Person
from faults import Faults
from page import Page

# More than there are places to stop at.
STOPS = 60


def tab_to(page: Page, name: str) -> None:
    """Goes on with the tabulator until something of this name has the focus."""
    passed = []

    def here() -> tuple[str, str]:
        # A row may be loaded anew just now.
        now = page.driver.switch_to.active_element
        return now.tag_name, now.accessible_name

    for _ in range(STOPS):
        page.keys(Keys.TAB)
        tag, now = page.wait(here, "something has the focus")
        if tag == "body":
            # The end of the page, where a browser shows its own bar.
            continue
        passed.append(now)
        assert page.shows_focus(), f"{now} does not show that it has the focus"
        if now == name:
            return
    raise AssertionError(f"{name} is not to be reached; passed were {passed}")


def test_everything_with_the_keyboard(page: Page, example: Example, alice: Person) -> None:
    page.open()
    page.wait(lambda: page.focused() == "User name", "the form has the focus")
    page.keys(alice.user, Keys.TAB, alice.password, Keys.ENTER)
    page.loaded()
    page.wait(lambda: page.focused() == "Generate new token", "the focus goes on")
    page.keys(Keys.ENTER)
    page.dialog("Generate new token")
    assert page.focused() == "Name"
    page.keys("by keyboard")
    tab_to(page, "Expires in")
    page.keys(Keys.DOWN)
    assert page.chosen("Expires in") == "7 days"
    tab_to(page, "Create")
    page.keys(Keys.SPACE)
    page.made()
    assert page.focused() == "Copy token"
    page.keys(Keys.ENTER)
    page.says("copied")
    tab_to(page, "Close")
    page.keys(Keys.ENTER)
    page.no_dialog()
    assert page.focused() == "Generate new token"

    tab_to(page, "Search tokens")
    page.keys("keyboard")
    page.lists("by keyboard")
    tab_to(page, "Expires")
    page.keys(Keys.SPACE)
    page.wait(lambda: "Expires" in page.sorted_by(), "the list is sorted")
    page.loaded()
    tab_to(page, "Revoke by keyboard")
    page.browser.screenshot("focus")
    page.keys(Keys.ENTER)
    page.dialog("Revoke by keyboard?")
    # What cannot be undone is not what a hasty Enter does.
    assert page.focused() == "Cancel"
    page.keys(Keys.ESCAPE)
    page.no_dialog()
    assert page.focused() == "Revoke by keyboard"
    page.keys(Keys.ENTER)
    page.dialog("Revoke by keyboard?")
    tab_to(page, "Revoke")
    page.keys(Keys.ENTER)
    page.no_dialog()
    page.says("revoked")
    page.wait(lambda: page.focused() == "Generate new token", "the focus is on what is left")
    assert example.names() == []
    tab_to(page, "Log out")
    page.keys(Keys.ENTER)
    page.wait(lambda: page.focused() in ("User name", "Password"), "the form has the focus")


def stays_inside(page: Page, name: str, *stops: str) -> None:
    """Goes round in a dialog both ways: the focus stops at these parts, and nowhere behind it."""
    dialog = page.dialog(name)
    for key in (Keys.TAB, Keys.SHIFT + Keys.TAB):
        passed = []
        for _ in range(2 * len(stops) + 2):
            page.keys(key)
            where = page.driver.execute_script(WHERE, dialog)
            assert where in ("inside", "body"), page.focused()
            passed.append(page.focused() if where == "inside" else None)
        # Between the last and the first is the browser's own bar, once each time round.
        assert set(stops) <= set(passed), passed
        assert all(one or other for one, other in zip(passed, passed[1:])), passed


WHERE = """
const [dialog] = arguments;
if (document.activeElement === document.body) return 'body';
return dialog.contains(document.activeElement) ? 'inside' : 'outside';
"""


def test_a_dialog_keeps_the_focus(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "behind")
    page.log_in(alice)
    page.press("Generate new token")
    form = ("Name", "Description", "Expires in", "Cancel", "Create")
    stays_inside(page, "Generate new token", *form)
    page.keys(Keys.ESCAPE)
    page.no_dialog()
    assert page.focused() == "Generate new token"
    page.press("Revoke behind")
    stays_inside(page, "Revoke behind?", "Cancel", "Revoke")
    page.keys(Keys.ESCAPE)
    page.no_dialog()
    assert page.focused() == "Revoke behind"
    page.start_token("in front")
    page.driver.delete_all_cookies()
    page.press("Create")
    # Over another dialog, which is behind it, too.
    stays_inside(page, "Log in", "User name", "Password", "Log in", "Not now")
    page.type("Password", alice.password)
    page.press("Log in")
    page.dialog("Generate new token")
    page.press("Create")
    page.made()
    copies = ("Copy token", "Token", "Copy curl command", "Copy ingestion sink", "Close")
    stays_inside(page, "New access token", *copies)
    page.press("Close")
    page.no_dialog()
    assert page.focused() == "Generate new token"


def test_the_focus_of_who_may_not_make_tokens(page: Page, example: Example, bob: Person) -> None:
    page.open()
    page.fill_log_in(bob)
    page.loaded()
    # Not on a button that cannot be pressed, nor at the end of nowhere.
    page.wait(lambda: page.focused() == "Manage Access Tokens", "the focus is on the heading")


def test_the_focus_of_who_has_lost_the_privilege(
    page: Page, example: Example, alice: Person
) -> None:
    page.log_in(alice)
    page.start_token("too late")
    example.allow_to_generate(but="alice")
    page.press("Create")
    page.alerts("administrator|privilege")
    page.wait(
        lambda: page.driver.execute_script("return document.querySelector('#generate').disabled"),
        "the page knows",
    )
    page.press("Cancel")
    page.no_dialog()
    page.wait(lambda: page.focused() == "Manage Access Tokens", "the focus is on the heading")


def test_a_list_that_is_loaded_anew_keeps_the_focus(
    page: Page, example: Example, alice: Person
) -> None:
    faults = Faults(page)
    example.make(alice, "focused")
    page.log_in(alice)
    faults.hold("query Tokens")
    page.type("Search tokens", "focused")
    page.wait(faults.is_held, "the search is under way")
    tab_to(page, "Revoke focused")
    faults.release()
    page.loaded()
    assert page.focused() == "Revoke focused"


def test_outcomes_are_said_to_who_does_not_see_them(page: Page, alice: Person) -> None:
    page.log_in(alice)
    page.press("Generate new token")
    page.type("Name", "said")
    page.press("Create")
    page.made()
    page.press("Copy token")
    page.says("copied")
    page.press("Close")
    page.revoke("said")
    page.says("“said” is revoked")
