"""Chromium without a window, as Debian ships it, and what is asked of it beyond WebDriver."""

import base64
import os
import shutil
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver

WIDTH, HEIGHT = 1280, 900
# The least that the page has to fit in.
NARROW = 360


class Browser:
    """A browser with a profile of its own. It can reach this machine and nothing else."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium")
        for argument in ARGUMENTS:
            options.add_argument(argument)
        options.add_argument(f"--user-data-dir={folder / 'profile'}")
        options.add_argument(f"--window-size={WIDTH},{HEIGHT}")
        # As root, chromium has no sandbox; all that it shows here is ours.
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        log = str(folder / "chromedriver.log")
        driver = Driver(_program("chromedriver"), log_output=log)
        self.driver = webdriver.Chrome(options, driver)
        self.driver.set_page_load_timeout(30)
        self.driver.set_script_timeout(30)
        self._scripts: list[str] = []

    def quit(self) -> None:
        """Ends the browser and its driver."""
        self.driver.quit()

    def forget(self, origin: str) -> None:
        """Leaves one empty window, without cookies, and as wide, light and online as at first."""
        first, *others = self.driver.window_handles
        for other in others:
            self.driver.switch_to.window(other)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        for script in self._scripts:
            self.cdp("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
        self._scripts = []
        self.cdp("Storage.clearDataForOrigin", origin=origin, storageTypes="all")
        self.cdp("Network.clearBrowserCookies")
        self.offline(False)
        self.media()
        self.wide()
        self.log()

    def cdp(self, command: str, **parameters: Any) -> dict[str, Any]:
        """Says something to the browser in its own protocol."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(command, parameters)
        return answer

    def before_load(self, script: str) -> None:
        """Runs a script in each document from now on before any of the page's own."""
        source = self.cdp("Page.addScriptToEvaluateOnNewDocument", source=script)
        self._scripts.append(source["identifier"])

    def log(self) -> list[dict[str, Any]]:
        """What the console got since the last time."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]

    def offline(self, offline: bool = True) -> None:
        """Takes the network away, or gives it back."""
        self.cdp("Network.enable")
        self.cdp(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def media(self, **features: str) -> None:
        """What the person prefers, for example `prefers_color_scheme="dark"`."""
        listed = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.cdp("Emulation.setEmulatedMedia", features=listed)

    def narrow(self, width: int = NARROW) -> None:
        """Makes the window as narrow as a small telephone."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=740,
            deviceScaleFactor=1,
            mobile=False,
        )

    def wide(self) -> None:
        """Gives the window its own size back."""
        self.cdp("Emulation.clearDeviceMetricsOverride")

    def allow_clipboard(self, origin: str) -> None:
        """Lets the test read what was copied; a person is asked whether a page may."""
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        self.cdp("Browser.grantPermissions", origin=origin, permissions=permissions)

    def clipboard(self) -> str:
        """What was copied last."""
        script = "navigator.clipboard.readText().then(arguments[0], e => arguments[0]('! ' + e))"
        return str(self.driver.execute_async_script(script))

    def screenshot(self, name: str, whole: bool = False) -> None:
        """Writes what the window shows, or the whole page, to a file."""
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path = Path(os.environ["SCREENSHOTS"]) / f"{name}.png"
        path.write_bytes(base64.b64decode(shot["data"]))


def _program(name: str) -> str:
    """Where a program is. Selenium would look for it itself, and download what it does not find."""
    path = shutil.which(name)
    assert path is not None, f"{name} is not installed"
    return path


ARGUMENTS = (
    "--headless=new",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--accept-lang=en-GB",
    "--password-store=basic",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
)
