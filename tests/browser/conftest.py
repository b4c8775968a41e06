"""What all tests share: a running example, a browser, and a limit for each test."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from browser import Browser
from example import Example, Person
from page import Page

TEST_SECONDS = 180


@pytest.fixture(scope="session")
def _example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """One example for all, on free ports, that ends with the suite."""
    example = Example(Path(os.environ["GMS"]), tmp_path_factory.mktemp("example"))
    yield example
    log = example.log()
    example.stop()
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
    _browser.forget(example.door)
    _browser.allow_clipboard(example.door)
    return _browser


@pytest.fixture
def page(browser: Browser, example: Example, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, not loaded yet. Whatever a test does, the page runs without an error, and asks for
    nothing that its content security policy forbids."""
    yield Page(browser, example.door)
    if request.node.failed:
        browser.screenshot(re.sub(r"\W+", "-", f"failed {request.node.name}"))
    # An answer that is no success is an entry, too, with the source `network`.
    errors = [
        entry
        for entry in browser.log()
        if entry["level"] == "SEVERE" and entry.get("source") != "network"
    ]
    assert errors == []


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


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """Ends a test that takes too long."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"the test takes more than {TEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, TEST_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


_counts = {"passed": 0, "failed": 0, "ignored": 0}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Notes at a test that it failed, for what comes after it."""
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed  # type: ignore[attr-defined]
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counts as cargo does: one for each test, and one for what fails around it."""
    if report.failed:
        _counts["failed"] += 1
    elif report.skipped:
        _counts["ignored"] += 1
    elif report.when == "call":
        _counts["passed"] += 1


def pytest_sessionfinish(exitstatus: int) -> None:
    """Counts a suite that did not get to its end as one more failure."""
    if exitstatus != 0 and not _counts["failed"]:
        _counts["failed"] += 1


def pytest_unconfigure() -> None:
    """Says the result as cargo does."""
    verdict = "FAILED" if _counts["failed"] else "ok"
    counts = "; ".join(f"{number} {name}" for name, number in _counts.items())
    print(f"test result: {verdict}. {counts}")
