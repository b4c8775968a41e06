"""What the script `run` does before there is anything to drive a browser with."""

import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run"
PROGRAMS = ("chromium", "chromedriver", "npm", "curl")


@pytest.mark.parametrize("missing", PROGRAMS)
def test_a_missing_program_is_named(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for name in PROGRAMS:
        if name != missing:
            (path / name).write_text("#!/bin/sh\nexit 1\n")
            (path / name).chmod(0o755)
    for name in ("bash", "dirname"):
        (path / name).symlink_to(f"/usr/bin/{name}")
    venv = tmp_path / "venv"
    result = subprocess.run(
        [RUN, "--gms", "/bin/true", "--venv", venv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": str(path), "HOME": str(tmp_path)},
    )
    assert result.returncode == 1, result.stdout
    assert result.stdout == "test result: FAILED. 0 passed; 1 failed; 0 ignored\n"
    assert f"needs {missing} (Debian: chromium" in result.stderr
    assert not venv.exists()
