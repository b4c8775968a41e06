"""What both suites of Python share: a limit for each test, and the result as cargo says it."""

import signal
from collections.abc import Iterator
from types import FrameType

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Lets a suite say how long a test may take."""
    parser.addini("test_seconds", "How long a test may take.", default="120")


@pytest.fixture(autouse=True)
def limit(pytestconfig: pytest.Config) -> Iterator[None]:
    """Ends a test that takes too long."""
    seconds = int(pytestconfig.getini("test_seconds"))

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"the test takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


_counts = {"passed": 0, "failed": 0, "ignored": 0}


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
