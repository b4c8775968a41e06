"""The list: searched, filtered, sorted and paged by the server."""

import time

import pytest

from example import Example, Person
from faults import Faults
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


def test_sorting_by_the_last_use(page: Page, example: Example, alice: Person) -> None:
    for name in ("never used", "used"):
        token = example.make(alice, name)
    assert example.ask(f"{example.url}/entities/{alice.urn}", token)[0] == 200
    page.log_in(alice)
    page.lists("used", "never used")

    def noted() -> bool:
        page.reload()
        return page.row("used")["Last used"] != "Never"

    page.wait(noted, "the use is noted", seconds=90)
    page.press("Last used")
    page.wait(lambda: page.sorted_by() == {"Last used": "descending"}, "the last use comes first")
    page.lists("used", "never used")
    page.press("Last used")
    page.wait(lambda: page.sorted_by() == {"Last used": "ascending"}, "the last use comes last")
    page.lists("never used", "used")


MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
# How long a token is good for, and how that is said: never more than there is. The half minute is
# for what passes until the page says it.
LEFT = (
    (30, "in less than a minute"),
    (31.5 * MINUTE, "in 31 minutes"),
    (59.5 * MINUTE, "in 59 minutes"),
    (HOUR + 30, "in 1 hour"),
    (12.5 * HOUR, "in 12 hours"),
    (23.9 * HOUR, "in 23 hours"),
    (36 * HOUR, "in 1 day"),
    (75.5 * DAY, "in 75 days"),
    (89.9 * DAY, "in 89 days"),
)
LONG = (
    (90.1 * DAY, "in 3 months"),
    (183 * DAY, "in 6 months"),
    (200 * DAY, "in 6 months"),
    (300.1 * DAY, "in 10 months"),
    (364.9 * DAY, "in 12 months"),
    (365.1 * DAY, "in 1 year"),
    (729 * DAY, "in 1 year"),
    (731 * DAY, "in 2 years"),
    # Not at a boundary: the clocks of the test and of the page are some parts of a second apart.
    (-31.5 * MINUTE, "31 minutes ago"),
    (-36 * HOUR, "1 day ago"),
)


@pytest.mark.parametrize("distances", [LEFT, LONG], ids=["days", "years"])
def test_no_more_time_is_left_than_it_says(
    page: Page, example: Example, alice: Person, distances: tuple[tuple[float, str], ...]
) -> None:
    for at, _ in enumerate(distances):
        example.make(alice, f"token {at}", duration="ONE_YEAR")
    begun = time.time()
    for at, (seconds, _) in enumerate(distances):
        example.set_expiry(f"token {at}", int((begun + seconds) * 1000))
    page.log_in(alice)
    shown = {row["Name"]: row["Expires"].splitlines()[0] for row in page.rows()}
    assert shown == {f"token {at}": words for at, (_, words) in enumerate(distances)}


def test_a_failure_is_taken_back(page: Page, example: Example, alice: Person) -> None:
    page.browser.before_load(
        "const real = performance.now.bind(performance);"
        "performance.now = () => real() + (window.later ?? 0)"
    )
    faults = Faults(page)
    example.make(alice, "shown")
    page.log_in(alice)
    faults.fail("query Tokens", 503)
    page.choose("Status", "Active")
    page.alerts("what is shown may be old")
    # Somebody comes back after a minute: a list comes that nobody has asked for.
    example.make(alice, "newer")
    page.driver.execute_script(
        "window.later = 60_000; document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.lists("newer", "shown")
    assert "may be old" not in page.text()
