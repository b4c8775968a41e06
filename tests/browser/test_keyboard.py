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
    for _ in range(STOPS):
        page.keys(Keys.TAB)
        now = page.driver.switch_to.active_element
        if now.tag_name == "body":
            # The end of the page, where a browser shows its own bar.
            continue
        passed.append(now.accessible_name)
        assert page.shows_focus(), f"{passed[-1]} does not show that it has the focus"
        if now.accessible_name == name:
            return
    raise AssertionError(f"{name} is not to be reached; passed were {passed}")


def focused(page: Page) -> str:
    """The name of what has the focus."""
    return str(page.driver.switch_to.active_element.accessible_name)


def test_everything_with_the_keyboard(page: Page, example: Example, alice: Person) -> None:
    page.open()
    page.wait(lambda: focused(page) == "User name", "the form has the focus")
    page.keys(alice.user, Keys.TAB, alice.password, Keys.ENTER)
    page.loaded()
    page.wait(lambda: focused(page) == "Generate new token", "the focus goes on")
    page.keys(Keys.ENTER)
    page.dialog("Generate new token")
    assert focused(page) == "Name"
    page.keys("by keyboard")
    tab_to(page, "Expires in")
    page.keys(Keys.DOWN)
    assert page.chosen("Expires in") == "7 days"
    tab_to(page, "Create")
    page.keys(Keys.SPACE)
    page.made()
    assert focused(page) == "Copy token"
    page.keys(Keys.ENTER)
    page.says("copied")
    tab_to(page, "Close")
    page.keys(Keys.ENTER)
    page.no_dialog()
    assert focused(page) == "Generate new token"

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
    assert focused(page) == "Cancel"
    page.keys(Keys.ESCAPE)
    page.no_dialog()
    assert focused(page) == "Revoke by keyboard"
    page.keys(Keys.ENTER)
    page.dialog("Revoke by keyboard?")
    tab_to(page, "Revoke")
    page.keys(Keys.ENTER)
    page.no_dialog()
    page.says("revoked")
    page.wait(lambda: focused(page) == "Generate new token", "the focus is on what is left")
    assert example.names() == []
    tab_to(page, "Log out")
    page.keys(Keys.ENTER)
    page.wait(lambda: focused(page) in ("User name", "Password"), "the form has the focus")


def test_a_dialog_keeps_the_focus(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "behind")
    page.log_in(alice)
    for opener, name in (
        ("Generate new token", "Generate new token"),
        ("Revoke behind", "Revoke behind?"),
    ):
        page.press(opener)
        dialog = page.dialog(name)
        for key in (Keys.TAB,) * 20 + (Keys.SHIFT + Keys.TAB,) * 20:
            page.keys(key)
            inside = page.driver.execute_script(
                "return arguments[0].contains(document.activeElement)"
                " || document.activeElement === document.body",
                dialog,
            )
            assert inside, focused(page)
        page.keys(Keys.ESCAPE)
        page.no_dialog()
        assert focused(page) == opener


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
    assert focused(page) == "Revoke focused"


def test_outcomes_are_said_to_who_does_not_see_them(page: Page, alice: Person) -> None:
    page.open()
    # A live region is heard only if it was there before its text.
    regions = page.driver.find_elements("css selector", "[role=status], [role=alert]")
    assert len(regions) >= 2
    page.fill_log_in(alice)
    page.loaded()
    page.press("Generate new token")
    page.type("Name", "said")
    page.press("Create")
    page.made()
    page.press("Copy token")
    page.says("copied")
    page.press("Close")
    page.revoke("said")
    page.says("“said” is revoked")
