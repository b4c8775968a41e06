"""The list: searched, filtered, sorted and paged by the server."""

import pytest

from example import Example, Person
from page import Page

MANY = 57


def test_pages(page: Page, example: Example, alice: Person) -> None:
    for number in range(MANY):
        example.make(alice, f"token {number:02}")
    page.log_in(alice)
    assert "1–10 of 57" in page.text()
    assert not page.button("Previous page").is_enabled()
    assert page.names() == [f"token {number:02}" for number in range(56, 46, -1)]
    for first in range(11, 57, 10):
        page.press("Next page")
        last = min(first + 9, MANY)
        page.wait(lambda: f"{first}–{last} of 57" in page.text(), f"the page from {first}")
    page.browser.screenshot("last-page", whole=True)
    assert not page.button("Next page").is_enabled()
    assert page.names() == [f"token {number:02}" for number in range(6, -1, -1)]
    # What is shown is gone meanwhile: the last page that there is comes instead.
    for token in example.tokens():
        if int(token["name"].split()[1]) < 10:
            example.revoke_token(token["id"])
    page.press("Previous page")
    page.wait(lambda: "41–47 of 47" in page.text(), "the last page that there is")
    page.type("Search tokens", "TOKEN 4")
    page.wait(lambda: "1–10 of 10" in page.text(), "the search begins on the first page")


def test_search(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "Nightly load", description="of the warehouse")
    example.make(alice, "dashboard", description="100% of it_all")
    page.log_in(alice)
    page.lists("dashboard", "Nightly load")
    for text, found in (
        ("nightly", ["Nightly load"]),
        ("WAREHOUSE", ["Nightly load"]),
        ("100%", ["dashboard"]),
        ("it_a", ["dashboard"]),
        ("%", ["dashboard"]),
        ("o", ["dashboard", "Nightly load"]),
    ):
        page.type("Search tokens", text)
        page.lists(*found)
    for text in ("nothing of this", "'; DROP TABLE token; --", "\\", "w" * 200):
        page.type("Search tokens", text)
        page.wait(lambda: "No tokens match" in page.text(), f"nothing is found for {text}")
    page.browser.screenshot("no-match")
    page.press("Clear filters")
    page.lists("dashboard", "Nightly load")


def test_status(page: Page, example: Example, alice: Person) -> None:
    example.make(alice, "soon", duration="ONE_DAY")
    example.make(alice, "later", duration="ONE_MONTH")
    example.make(alice, "over", duration="ONE_DAY")
    example.expire("over")
    page.log_in(alice)
    page.lists("later", "soon", "over")
    assert page.row("over")["Status"] == "Expired"
    assert "ago" in page.row("over")["Expires"]
    assert page.row("soon")["Status"] == "Active"
    assert page.options("Status") == ["All", "Active", "Expiring in 7 days", "Expired"]
    for status, names in (
        ("Active", ["later", "soon"]),
        ("Expiring in 7 days", ["soon"]),
        ("Expired", ["over"]),
        ("All", ["later", "soon", "over"]),
    ):
        page.choose("Status", status)
        page.lists(*names)
    page.browser.screenshot("statuses")


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("Name", ["a", "b", "c"], ["c", "b", "a"]),
        ("Expires", ["c", "a", "b"], ["b", "a", "c"]),
    ],
)
def test_sorting(
    page: Page, example: Example, alice: Person, column: str, first: list[str], second: list[str]
) -> None:
    for name, duration in (("b", "ONE_YEAR"), ("a", "ONE_MONTH"), ("c", "ONE_DAY")):
        example.make(alice, name, duration=duration)
    page.log_in(alice)
    page.lists("c", "a", "b")
    assert page.sorted_by() == {"Created": "descending"}
    page.press(column)
    page.lists(*first)
    assert page.sorted_by() == {column: "ascending"}
    page.press(column)
    page.lists(*second)
    assert page.sorted_by() == {column: "descending"}
    page.press("Created")
    page.lists("c", "a", "b")
    page.press("Created")
    page.lists("b", "a", "c")
