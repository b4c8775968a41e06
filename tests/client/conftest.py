"""What all tests share: a running service for each module, and a limit for each test."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from service import Service

TEST_SECONDS = 120


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in a fresh folder, on a free port, that ends with the module."""
    service = Service(Path(os.environ["GMS"]), tmp_path_factory.mktemp("service"))
    yield service
    service.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder of its own for the commands of a test."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


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
