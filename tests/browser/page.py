"""The settings page as a person finds their way on it: by the roles and names that its parts have
for everybody, also for who does not see them."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from browser import Browser
from example import Person
from service import TOKEN

PATH = "/settings/tokens"
SECONDS = 20.0
Found = TypeVar("Found")


@dataclass(frozen=True)
class Made:
    """What the page shows once of a new token."""

    token: str
    curl: str
    sink: str


class Page:
    """The page in the window that a browser has in front."""

    def __init__(self, browser: Browser, door: str) -> None:
        self.browser = browser
        self.driver = browser.driver
        self.door = door

    def open(self) -> None:
        """Loads the page, and waits until it shows the log-in form or a list."""
        self.driver.get(self.door + PATH)
        self.ready()

    def reload(self) -> None:
        """Loads the page anew as a person does."""
        self.driver.refresh()
        self.ready()

    def ready(self) -> None:
        """Waits until the page knows who is there."""
        self.wait(
            lambda: self.find_button("Log in") is not None or self.is_loaded(),
            "the page shows a log-in form or a list",
        )

    def is_loaded(self) -> bool:
        """Whether a list is there, and no newer one is on its way."""
        return bool(self.driver.execute_script(IS_LOADED))

    def loaded(self) -> None:
        """Waits for the list."""
        self.wait(self.is_loaded, "the list is loaded")

    def wait(self, holds: Callable[[], Found | None], what: str, seconds: float = SECONDS) -> Found:
        """Asks until something is there, or holds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = holds()
            except PASSING:
                found = None
            if found is not None and found is not False:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not within {seconds} s: {what}; the page says: {self.text()}"
                )
            time.sleep(0.02)

    # What is there, by role and name.

    def _find(self, css: str, name: str | re.Pattern[str], within: WebElement | None) -> list[Any]:
        """All that is visible and has an accessible name, in the order of the page."""
        candidates = self.driver.execute_script(VISIBLE, css, within)
        return [each for each in candidates if _fits(name, each.accessible_name)]

    def _one(self, css: str, name: str | re.Pattern[str], within: WebElement | None) -> Any:
        def look() -> WebElement | None:
            found = self._find(css, name, within or self.front())
            assert len(found) < 2, f"{len(found)} {css} are called {name}"
            return found[0] if found else None

        return self.wait(look, f"{css} called {name!r}")

    def front(self) -> WebElement | None:
        """The dialog in front, if there is one."""
        front: WebElement | None = self.driver.execute_script(FRONT)
        return front

    def button(self, name: str | re.Pattern[str], within: WebElement | None = None) -> WebElement:
        """The button of this name, in the dialog in front or where it is looked for."""
        button: WebElement = self._one(BUTTONS, name, within)
        return button

    def find_button(self, name: str) -> WebElement | None:
        """The button of this name if it is there now."""
        found = self._find(BUTTONS, name, self.front())
        return found[0] if found else None

    def field(self, name: str | re.Pattern[str]) -> WebElement:
        """The field of this name."""
        field: WebElement = self._one("input, select, textarea", name, None)
        return field

    def fields(self) -> list[str]:
        """The names of all fields in front."""
        shown = self.driver.execute_script(VISIBLE, "input, select, textarea", self.front())
        return [each.accessible_name for each in shown]

    def dialog(self, name: str | re.Pattern[str]) -> WebElement:
        """The dialog of this name, which has to be in front."""

        def look() -> WebElement | None:
            front = self.front()
            return front if front is not None and _fits(name, front.accessible_name) else None

        return self.wait(look, f"the dialog {name!r} is in front")

    def no_dialog(self) -> None:
        """Waits until no dialog is open."""
        self.wait(lambda: self.front() is None, "no dialog is open")

    def text(self) -> str:
        """All that is to be read."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def everything(self) -> str:
        """All that the page holds anywhere: elements, what fields hold, and stored values."""
        return str(self.driver.execute_script(EVERYTHING))

    def read(self, *roles: str) -> list[tuple[str, str]]:
        """Role and name of each part that has one of these roles, as a screen reader gets them: in
        the order of the page, and without what is kept from it."""
        self.browser.cdp("Accessibility.enable")
        nodes = self.browser.cdp("Accessibility.getFullAXTree")["nodes"]
        by_id = {node["nodeId"]: node for node in nodes}
        found = []
        waiting = [node for node in nodes if "parentId" not in node]
        while waiting:
            node = waiting.pop()
            if not node["ignored"] and node["role"]["value"] in roles:
                found.append((node["role"]["value"], node.get("name", {}).get("value", "")))
            waiting += [by_id[each] for each in reversed(node.get("childIds", [])) if each in by_id]
        return found

    def focused(self) -> str:
        """The name of what has the focus."""
        return str(self.driver.switch_to.active_element.accessible_name)

    def selected(self) -> str:
        """What is selected, in a field or elsewhere."""
        return str(self.driver.execute_script(SELECTED))

    def says(self, pattern: str, role: str = "status") -> str:
        """Waits until a live region says something, and returns what it says."""

        def look() -> str | None:
            said = ISOLATES.sub("", str(self.driver.execute_script(SAID, role)))
            return said if re.search(pattern, said, re.IGNORECASE) else None

        return self.wait(look, f"role={role} says {pattern!r}")

    def alerts(self, pattern: str) -> str:
        """Waits until an alert says something, and returns what it says."""
        return self.says(pattern, "alert")

    # What a person does.

    def press(self, name: str | re.Pattern[str], within: WebElement | None = None) -> None:
        """Presses a button once it can be pressed."""
        self.wait(lambda: self._press(name, within), f"the button {name!r} can be pressed")

    def _press(self, name: str | re.Pattern[str], within: WebElement | None) -> bool:
        found = self._find(BUTTONS, name, within or self.front())
        if len(found) != 1 or not found[0].is_enabled():
            return False
        found[0].click()
        return True

    def type(self, name: str, text: str) -> None:
        """Writes into a field in place of what is there. Long texts are pasted."""
        field = self.field(name)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        if len(text) > 200:
            self.browser.cdp("Input.insertText", text=text)
        else:
            field.send_keys(text)

    def choose(self, name: str, option: str) -> None:
        """Chooses from a list by what is to be read there."""
        Select(self.field(name)).select_by_visible_text(option)

    def options(self, name: str) -> list[str]:
        """What there is to choose from."""
        return [option.text.strip() for option in Select(self.field(name)).options]

    def chosen(self, name: str) -> str:
        """What is chosen."""
        return str(Select(self.field(name)).first_selected_option.text).strip()

    def log_in(self, person: Person) -> None:
        """Opens the page, and logs somebody in."""
        self.open()
        self.fill_log_in(person)
        self.loaded()

    def fill_log_in(self, person: Person) -> None:
        """Fills the form in, and sends it."""
        self.type("User name", person.user)
        self.type("Password", person.password)
        self.press("Log in")

    def start_token(self, name: str, description: str = "") -> WebElement:
        """Opens the form for a new token, and writes a name."""
        self.press("Generate new token")
        dialog = self.dialog("Generate new token")
        self.type("Name", name)
        if description:
            self.type("Description", description)
        return dialog

    def create(self, name: str, description: str = "") -> Made:
        """Makes a token, and leaves its dialog open."""
        self.start_token(name, description)
        self.press("Create")
        return self.made()

    def made(self) -> Made:
        """What the dialog of a new token shows."""
        dialog = self.dialog("New access token")
        token = self.field("Token").get_attribute("value") or ""
        assert TOKEN.match(token), "no token is shown"
        curl, sink = (each.text for each in dialog.find_elements("css selector", "pre"))
        return Made(token, curl, sink)

    def copy(self, button: str) -> str:
        """Presses a copy button, and returns what was copied."""
        self.press(button)
        self.says("copied")
        return self.browser.clipboard()

    def close(self) -> None:
        """Closes the dialog of a new token."""
        self.press("Close")
        self.no_dialog()
        self.loaded()

    def revoke(self, name: str) -> None:
        """Revokes a token for good."""
        self.press(f"Revoke {name}")
        self.dialog(f"Revoke {name}?")
        self.press("Revoke")
        self.no_dialog()
        self.wait(lambda: name not in self.names(), f"{name} is gone from the list")

    def cookie(self) -> str:
        """The cookie of the session, as it is sent."""
        [cookie] = self.driver.get_cookies()
        return f"{cookie['name']}={cookie['value']}"

    def keys(self, *keys: str) -> None:
        """Presses keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    # The list.

    def rows(self) -> list[dict[str, str]]:
        """What the list shows, by the names of its columns."""
        self.loaded()
        rows: list[dict[str, str]] = self.driver.execute_script(ROWS)
        return rows

    def row(self, name: str) -> dict[str, str]:
        """The row of a token, once it is there."""

        def look() -> dict[str, str] | None:
            return next((row for row in self.rows() if row["Name"] == name), None)

        return self.wait(look, f"a row for {name}")

    def names(self) -> list[str]:
        """The names of the tokens in the list, in its order."""
        return [row["Name"] for row in self.rows()]

    def sorted_by(self) -> dict[str, str]:
        """The columns that say that the list is sorted by them, and how."""
        columns: dict[str, str] = self.driver.execute_script(SORTED)
        return columns

    def lists(self, *names: str) -> None:
        """Waits until the list has these names in this order."""
        self.wait(lambda: self.names() == list(names), f"the list is {names}")

    def errors(self) -> list[dict[str, Any]]:
        """What went wrong in the page since the last time: an error of its script, or something
        that its content security policy forbids."""
        # An answer that is no success is an entry, too, with the source `network`.
        return [
            entry
            for entry in self.browser.log()
            if entry["level"] == "SEVERE" and entry.get("source") != "network"
        ]

    # How it looks.

    def settle(self) -> None:
        """Waits until nothing moves any more."""
        self.wait(lambda: not self.driver.execute_script(MOVES), "nothing moves")

    def is_dark(self) -> bool:
        """Whether the page is darker than its text."""
        return bool(self.driver.execute_script(IS_DARK))

    def shows_focus(self) -> bool:
        """Whether what has the focus has a line around it."""
        return bool(self.driver.execute_script(SHOWS_FOCUS))

    def check(self) -> None:
        """Checks that the page, as it is now, keeps nobody out, and fits in its window."""
        self.driver.execute_script(Path(os.environ["AXE"]).read_text())
        found = self.driver.execute_async_script(AXE)
        assert found == [], found
        wide, window = self.driver.execute_script(WIDTHS)
        assert wide <= window, f"the page is {wide} px wide in a window of {window} px"


# What keeps a name from turning the text around it, and is not to be seen.
ISOLATES = re.compile("[\u2066-\u2069]")


def _fits(wanted: str | re.Pattern[str], name: str) -> bool:
    return name == wanted if isinstance(wanted, str) else bool(wanted.fullmatch(name))


# What can happen between looking at an element and using it; it is looked for again.
PASSING = (
    StaleElementReferenceException,
    NoSuchElementException,
    ElementClickInterceptedException,
    ElementNotInteractableException,
)
BUTTONS = "button, [role=button], input[type=submit]"
FRONT = "return [...document.querySelectorAll('dialog:modal')].at(-1) ?? null"
VISIBLE = """
const [css, within] = arguments;
return [...(within ?? document).querySelectorAll(css)]
    .filter(each => each.checkVisibility({ visibilityProperty: true }));
"""
IS_LOADED = """
const table = [...document.querySelectorAll('table')].find(
    each => each.caption?.textContent.trim() === 'Access tokens');
const shown = table?.checkVisibility() || document.querySelector('#empty')?.checkVisibility();
return Boolean(shown) && table?.getAttribute('aria-busy') !== 'true';
"""
ROWS = """
const table = [...document.querySelectorAll('table')].find(
    each => each.caption?.textContent.trim() === 'Access tokens');
if (!table?.checkVisibility()) return [];
const columns = [...table.tHead.rows[0].cells].map(cell => cell.textContent.trim());
return [...table.tBodies[0].rows].map(row => Object.fromEntries(
    [...row.cells].map((cell, at) => [columns[at], cell.innerText.trim()])));
"""
SELECTED = """
const { value, selectionStart: from, selectionEnd: to } = document.activeElement;
return value === undefined ? getSelection().toString() : value.slice(from, to);
"""
SORTED = """
return Object.fromEntries([...document.querySelectorAll('th[aria-sort]')]
    .map(each => [each.textContent.trim(), each.getAttribute('aria-sort')]));
"""
SAID = """
return [...document.querySelectorAll(`[role=${arguments[0]}]`)]
    .filter(each => each.checkVisibility()).map(each => each.innerText).filter(Boolean).join('\\n');
"""
EVERYTHING = """
return [
    document.documentElement.outerHTML,
    ...[...document.querySelectorAll('input, textarea')].map(each => each.value),
    JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href,
    JSON.stringify(history.state),
].join('\\n');
"""
AXE = """
const done = arguments[0];
axe.run().then(
    result => done(result.violations.map(({ id, help, nodes }) => ({
        id, help, where: nodes.map(node => `${node.html.slice(0, 200)} ${node.failureSummary}`),
    }))),
    error => done([String(error)]),
);
"""
MOVES = "return document.getAnimations().some(each => each.playState === 'running')"
IS_DARK = """
const light = name => getComputedStyle(document.body)[name].match(/[\\d.]+/g).slice(0, 3)
    .reduce((sum, each) => sum + Number(each), 0);
return light('backgroundColor') < light('color');
"""
SHOWS_FOCUS = """
const style = getComputedStyle(document.activeElement);
return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
"""
WIDTHS = "return [document.documentElement.scrollWidth, innerWidth]"
