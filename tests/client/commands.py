"""Runs the command `datahub`."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

LIMIT_SECONDS = 60
TRACEBACK = "Traceback (most recent call last)"
OFFLINE = Path(__file__).parent / "offline"


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        """All that a person at a terminal would have seen."""
        return self.out + self.err

    @property
    def has_traceback(self) -> bool:
        return TRACEBACK in self.text


def environment(home: Path, url: str | None, token: str | None) -> dict[str, str]:
    """The whole environment of a command: nothing of the developer's own gets in, and nothing but
    the service is called."""
    variables = {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(OFFLINE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DATAHUB_TELEMETRY_ENABLED": "false",
    }
    if url is not None:
        variables["DATAHUB_GMS_URL"] = url
    if token is not None:
        variables["DATAHUB_GMS_TOKEN"] = token
    return variables


def run(arguments: list[str], variables: dict[str, str], stdin: str = "") -> Result:
    """Runs `datahub` as everybody does: a new process of the installed script."""
    script = Path(sys.executable).parent / "datahub"
    begun = time.monotonic()
    process = subprocess.Popen(
        [str(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables,
        cwd=variables["HOME"],
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(stdin, timeout=LIMIT_SECONDS)
    except BaseException:
        # Its session holds only it and what it started.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return Result(process.returncode, out, err, time.monotonic() - begun)


def run_forked(arguments: list[str], variables: dict[str, str], stdin: str = "") -> Result:
    """Runs `datahub` in a fork of this process, which has the client loaded already: a process of
    its own, with its own environment, streams and exit status, that saves the second or two that
    loading takes. For the many refusals; one of each kind is run as everybody does, too."""
    import datahub.entrypoints  # noqa: F401  loaded once, here, for all forks
    import datahub.ingestion.run.pipeline  # noqa: F401

    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(stdin.encode())
        streams[0].seek(0)
        child = os.fork()
        if child == 0:
            _be_datahub(arguments, variables, [stream.fileno() for stream in streams])
        code = _wait(child, begun + LIMIT_SECONDS)
        for stream in streams:
            stream.seek(0)
        out, err = (stream.read().decode(errors="replace") for stream in streams[1:])
    return Result(code, out, err, time.monotonic() - begun)


def _wait(child: int, deadline: float) -> int:
    """The exit status of a child, which is ended if it takes too long."""
    try:
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                raise TimeoutError("the command does not end")
            time.sleep(0.01)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        raise


def _be_datahub(arguments: list[str], variables: dict[str, str], streams: list[int]) -> NoReturn:
    """Turns this process into the command. It never comes back, whatever happens: the tests must
    not go on twice."""
    code = 70
    try:
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False))
        sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), line_buffering=True)
        sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), line_buffering=True)
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(variables["HOME"])
        sys.argv = ["datahub", *arguments]
        signal.setitimer(signal.ITIMER_REAL, 0)
        code = _main()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _main() -> int:
    from datahub.entrypoints import main

    try:
        main()
    except SystemExit as end:
        return _status(end.code)
    return 0


def _status(code: Any) -> int:
    """The exit status that Python makes of what a program exits with."""
    if code is None:
        return 0
    return code if isinstance(code, int) else 1
