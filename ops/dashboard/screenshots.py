"""Pictures of every view for the documentation: `python -m ops.dashboard.screenshots docs/images`.

Needs Chromium and its driver on the path, and selenium (a development dependency). The scene is simulated.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from contracts.errors import UnavailableError
from contracts.files import write_atomic
from ops.console import err, told_errors
from ops.dashboard.process import DashboardProcess
from ops.dashboard.scene import stage

SIZE, PHONE = (1280, 800), (390, 844)
VIEWS = {
    "bands": "/",
    "calibration": "/calibration",
    "alerts": "/alerts",
    "releases": "/releases",
    "health": "/status",
}
MOST_POINTS = 1_400
"""Of a picture's height: more makes a page of documentation heavy."""
PATIENCE_S = 60.0


def main(folder: Path) -> None:
    """Set the scene, take a picture of every view, and of the first on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bands-scene-") as scratch, stage(Path(scratch), _say) as scene:
        env = {
            "BANDS_WORKSPACE": scratch,
            "BANDS_DASHBOARD__WORKERS": f"http://127.0.0.1:{scene.port}",
            "BANDS_DASHBOARD__RETRAINER": "none",
            "BANDS_DASHBOARD__FEED": "none",
        }
        with DashboardProcess(Path(scratch) / "dashboard.log", env) as page:
            url = page.url
            driver = browser(SIZE)
            try:
                for name, path in VIEWS.items():
                    write_atomic(folder / f"dashboard-{name}.png", picture(driver, url + path))
                phone = browser(PHONE)
                try:
                    write_atomic(folder / "dashboard-phone.png", picture(phone, url + "/", whole=False))
                finally:
                    phone.quit()
            finally:
                driver.quit()
    _say(f"pictures in {folder}")


def browser(size: tuple[int, int]) -> Any:
    """A headless Chromium of that many points.

    Raises:
        UnavailableError: Chromium, its driver or selenium is missing.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise UnavailableError("expected chromium and chromedriver on PATH, found them missing; install them")
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError as error:
        raise UnavailableError(
            "expected selenium, found it missing; install the development dependencies"
        ) from error
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={size[0]},{size[1]}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(driver))
    # The window's frame takes a part of its size, and narrow windows are widened.
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
    made.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return made


def picture(driver: Any, url: str, *, whole: bool = True) -> bytes:
    """The view as PNG bytes once its figures are drawn; `whole` takes what lies below the fold too.

    Raises:
        UnavailableError: the figures are not drawn in time.
    """
    import base64

    driver.get(url)
    wait_drawn(driver)
    time.sleep(1.5)  # fonts and the last resize; nothing tells when they are done
    taken = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole}
    )
    if whole:
        height = driver.execute_script("return document.documentElement.scrollHeight")
        width = driver.execute_script("return window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, MOST_POINTS), "scale": 1}
        taken = driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
        )
    return base64.b64decode(taken["data"])


def wait_drawn(driver: Any) -> None:
    """Wait until every figure of the view has traces, or says why it has none.

    Raises:
        UnavailableError: that takes longer than a minute.
    """
    drawn = """
    const plots = [...document.querySelectorAll('.js-plotly-plot')];
    return document.querySelectorAll('.graph').length === plots.length && plots.length > 0 &&
        plots.every(p => p.data && (p.data.length || (p.layout.annotations || []).length)) &&
        !document.querySelector('[data-dash-is-loading=true]')"""
    deadline = time.monotonic() + PATIENCE_S
    while not driver.execute_script(drawn):
        if time.monotonic() > deadline:
            raise UnavailableError(f"expected every figure within {PATIENCE_S:.0f} s, found some not drawn")
        time.sleep(0.05)


def _say(words: str) -> None:
    err.print(words, highlight=False)


if __name__ == "__main__":
    with told_errors():
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
