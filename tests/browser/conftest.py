"""What all tests share: a running example, and a browser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser
from example import Example, Person
from page import Page

pytest_plugins = ["result_line"]


@pytest.fixture(scope="session")
def _example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """One example for all, on free ports, that ends with the suite."""
    example = Example(Path(os.environ["GMS"]), tmp_path_factory.mktemp("example"))
    yield example
    example.stop()
    # To its end: what is said while it ends, too.
    log = example.log()
    for person in example.people.values():
        assert person.password not in log, "a password is in the log"


@pytest.fixture
def example(_example: Example) -> Example:
    """The example without any token but root's own."""
    _example.clear()
    return _example


@pytest.fixture(scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(_browser: Browser, example: Example) -> Browser:
    """A browser that remembers nothing of earlier tests."""
    _browser.forget(example.front)
    _browser.allow_clipboard(example.front)
    return _browser


@pytest.fixture
def page(browser: Browser, example: Example, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, not loaded yet. Whatever a test does, the page runs without an error, and asks for
    nothing that its content security policy forbids."""
    page = Page(browser, example.front)
    yield page
    if request.node.failed:
        browser.screenshot(re.sub(r"\W+", "-", f"failed {request.node.name}"))
    assert page.errors() == []


@pytest.fixture
def alice(example: Example) -> Person:
    """Somebody who may make tokens for herself."""
    return example.people["alice"]


@pytest.fixture
def bob(example: Example) -> Person:
    """Somebody who may not make any."""
    return example.people["bob"]


@pytest.fixture
def carol(example: Example) -> Person:
    """Somebody who may make and see everybody's tokens."""
    return example.people["carol"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Notes at a test that it failed, for what comes after it."""
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed  # type: ignore[attr-defined]
    return report
