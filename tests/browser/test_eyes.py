"""The tests' own eyes: what they would not see could go wrong unnoticed."""

import pytest

from example import Person
from page import Page

BAD = {
    "contrast": "document.querySelector('h1').style.color = '#ccc'",
    "label": "document.querySelector('label').remove()",
    "wide": "document.body.style.minWidth = '5000px'",
}


@pytest.mark.parametrize("what", BAD)
def test_what_keeps_people_out_is_seen(page: Page, what: str) -> None:
    page.browser.media(prefers_color_scheme="light")
    page.open()
    page.check()
    page.driver.execute_script(BAD[what])
    with pytest.raises(AssertionError):
        page.check()


def test_a_lost_focus_ring_is_seen(page: Page) -> None:
    page.open()
    page.field("User name").send_keys("x")
    assert page.shows_focus()
    page.driver.execute_script("document.activeElement.style.outline = 'none'")
    assert not page.shows_focus()


def test_errors_and_forbidden_requests_are_seen(page: Page) -> None:
    page.open()
    page.driver.execute_script("setTimeout(() => { throw new Error('broken') })")
    page.wait(lambda: any("broken" in each["message"] for each in page.errors()), "it is seen")
    page.driver.execute_script("new Image().src = 'http://localhost:1/elsewhere.png'")
    page.wait(lambda: any("img-src" in each["message"] for each in page.errors()), "it is seen")


def test_a_token_anywhere_in_the_page_is_seen(page: Page, alice: Person) -> None:
    page.log_in(alice)
    made = page.create("to be seen")
    assert made.token in page.everything()
    page.close()
    assert made.token not in page.everything()
    for hide in (
        "document.querySelector('#search').value = arguments[0]",
        "document.body.dataset.kept = arguments[0]",
        "sessionStorage.kept = arguments[0]",
        "history.replaceState({ kept: arguments[0] }, '')",
    ):
        page.driver.execute_script(hide, made.token)
        assert made.token in page.everything()
        page.open()
        page.driver.execute_script("sessionStorage.clear(); history.replaceState(null, '')")
        assert made.token not in page.everything()
