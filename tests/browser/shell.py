"""What people do outside the browser with what they copied there."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from example import Example

CURL_SECONDS = 60


def curl(line: str, home: Path) -> tuple[int, str]:
    """Pastes a line into a shell: the status of the answer, and its body."""
    result = subprocess.run(
        # Only what comes after the copied text is ours.
        ["sh", "-c", line + r" --silent --show-error --write-out '\n%{http_code}'"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CURL_SECONDS,
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )
    assert result.returncode == 0, result.stderr
    body, _, status = result.stdout.rpartition("\n")
    return int(status), body


def sink(text: str, example: Example) -> tuple[dict[str, Any], int]:
    """Reads a recipe: what it configures, and the status of the service that it names."""
    recipe = yaml.safe_load(text)
    assert recipe.keys() == {"sink"} and recipe["sink"]["type"] == "datahub-rest", recipe
    config: dict[str, Any] = recipe["sink"]["config"]
    assert config.keys() == {"server", "token"}, config
    status, _ = example.ask(config["server"] + USER, config["token"])
    return config, status


USER = "/aspects/urn%3Ali%3Acorpuser%3Adatahub?aspect=corpUserKey&version=0"
