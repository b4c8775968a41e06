"""What the script `run` does before there is anything to drive a browser with."""

import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run"
PROGRAMS = ("chromium", "chromedriver", "npm", "curl")
# Fits or not, and makes no environment.
PYTHON = """#!/bin/sh
case "$1" in
    --version) echo "Python 3.0.1" ;;
    -c) exit {fits} ;;
    *) exit 1 ;;
esac
"""


def run(folder: Path, venv: Path, fits: bool = True, missing: str | None = None) -> str:
    """What the script says, which has to be that it fails."""
    path = folder / "bin"
    path.mkdir()
    for name in PROGRAMS:
        if name != missing:
            (path / name).write_text("#!/bin/sh\nexit 1\n")
    (path / "python3").write_text(PYTHON.format(fits=0 if fits else 1))
    for each in path.iterdir():
        each.chmod(0o755)
    for name in ("bash", "dirname", "cmp", "cat", "rm", "rmdir"):
        (path / name).symlink_to(f"/usr/bin/{name}")
    result = subprocess.run(
        [RUN, "--gms", "/bin/true", "--venv", venv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": str(path), "HOME": str(folder)},
    )
    assert result.returncode == 1, result.stdout
    assert result.stdout.endswith("test result: FAILED. 0 passed; 1 failed; 0 ignored\n")
    return result.stderr


@pytest.mark.parametrize("missing", PROGRAMS)
def test_a_missing_program_is_named(tmp_path: Path, missing: str) -> None:
    venv = tmp_path / "venv"
    assert f"needs {missing} (Debian: chromium" in run(tmp_path, venv, missing=missing)
    assert not venv.exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "work").mkdir(parents=True)
    (venv / "work" / "thesis.txt").write_text("the only copy")
    said = run(tmp_path, venv)
    assert "is no virtual environment; it is left as it is" in said
    assert (venv / "work" / "thesis.txt").read_text() == "the only copy"


def test_an_environment_is_made_anew(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "pyvenv.cfg").touch()
    assert "the virtual environment could not be made" in run(tmp_path, venv)
    assert not venv.exists()


def test_a_python_that_does_not_fit_is_named(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    said = run(tmp_path, venv, fits=False)
    assert "needs Python 3.11 or later" in said and "python3 is: Python 3.0.1" in said
    assert not venv.exists()
