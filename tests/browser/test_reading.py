"""The page as a screen reader gets it: what a browser makes of it for assistive technology."""

import pytest
from selenium.webdriver.common.keys import Keys

from example import Example, Person
from page import Page

COLUMNS = [
    "Name",
    "Description",
    "Created",
    "Expires",
    "Last used",
    "Acts as",
    "Made by",
    "Status",
    "Actions",
]


@pytest.mark.parametrize("width", [None, 900, 360])
def test_each_cell_is_below_its_header(
    page: Page, example: Example, alice: Person, width: int | None
) -> None:
    # One has no description: the cell is there all the same, or all after it are counted wrong.
    example.make(alice, "bare")
    example.make(alice, "described", description="Loads the warehouse")
    if width:
        page.browser.narrow(width)
    page.log_in(alice)
    page.lists("described", "bare")
    parts = page.read("columnheader", "row", "rowheader", "cell", "gridcell")
    assert [name for role, name in parts if role == "columnheader"] == COLUMNS
    rows: list[list[str]] = []
    for role, name in parts:
        if role == "row":
            rows.append([])
        elif role != "columnheader":
            rows[-1].append(name)
    assert [len(row) for row in rows if row] == [len(COLUMNS)] * 2, rows
    described, bare = (dict(zip(COLUMNS, row)) for row in rows if row)
    assert described["Name"].endswith("described") and bare["Name"].endswith("bare")
    assert described["Description"].endswith("Loads the warehouse")
    assert "just now" in bare["Created"] or "minute" in bare["Created"]
    assert "in " in bare["Expires"] and "Never" in bare["Last used"]
    assert "alice" in bare["Acts as"] and "datahub" in bare["Made by"]
    assert "Active" in bare["Status"] and "Revoke bare" in bare["Actions"]


def test_what_will_be_said_has_its_place_before(page: Page, example: Example, alice: Person) -> None:
    """A live region is heard for certain only if it was there before its text."""

    def there(what: str, status: int, alert: int) -> None:
        found = [role for role, _ in page.read("status", "alert")]
        counts = (found.count("status"), found.count("alert"))
        assert counts[0] >= status and counts[1] >= alert, (what, counts)

    example.make(alice, "to revoke")
    page.open()
    there("log-in", status=1, alert=1)
    page.fill_log_in(alice)
    page.loaded()
    there("list", status=1, alert=1)
    page.press("Revoke to revoke")
    page.dialog("Revoke to revoke?")
    there("revoke", status=1, alert=1)
    page.keys(Keys.ESCAPE)
    page.no_dialog()
    page.start_token("said")
    there("new token", status=1, alert=1)
    page.press("Create")
    page.made()
    there("result", status=1, alert=1)
    page.close()
    page.press("Generate new token")
    page.dialog("Generate new token")
    page.type("Name", "x")
    page.driver.delete_all_cookies()
    page.press("Create")
    page.dialog("Log in")
    there("log-in in the middle", status=0, alert=1)


def test_title_and_subtitle(page: Page, alice: Person) -> None:
    page.open()
    for _ in range(2):
        assert page.driver.title == "Manage Access Tokens"
        [heading] = page.driver.find_elements("css selector", "h1")
        assert heading.text == "Manage Access Tokens"
        assert "Manage Access Tokens for use with DataHub APIs." in page.text().splitlines()
        if page.find_button("Log in"):
            page.fill_log_in(alice)
            page.loaded()
