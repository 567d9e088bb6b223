"""A real Chromium without a screen, driven by its chromedriver over W3C WebDriver. Standard library only."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import free_port
from tests.npm import npm_file
from tests.support import eventually

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FOUND = ("chromium", "chromium-browser", "google-chrome")
# Before any script of a page: what it does that its policy forbids, and the dialogs that hostile texts would open.
_WATCH = """
window.violations = []; window.dialogs = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
for (const each of ["alert", "confirm", "prompt"]) window[each] = (text) => { window.dialogs.push(String(text)); };
window.addEventListener("error", (event) => window.violations.push(`error: ${event.message}`));
window.addEventListener("unhandledrejection", (event) => window.violations.push(`rejected: ${event.reason}`));
"""

_AXE = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(
  (said) => done(said.violations), (problem) => done([{impact: "serious", id: String(problem), nodes: []}]));
"""


class Browser:
    """One window. `find` and what builds on it wait until it is there."""

    def __init__(self, *more: str) -> None:
        """`more`: arguments of Chromium."""
        driver = shutil.which("chromedriver")
        chromium = next(filter(None, map(shutil.which, _FOUND)), None)
        if driver is None or chromium is None:
            pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
        self._profile = tempfile.mkdtemp(prefix="chromium")
        port = free_port()
        self._driver = subprocess.Popen(
            [driver, f"--port={port}", "--silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._url = f"http://127.0.0.1:{port}"
        eventually(self._ready, within=20, message="chromedriver answers")
        arguments = [
            *("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *("--no-first-run", "--disable-background-networking", f"--user-data-dir={self._profile}"),
            *(["--no-sandbox"] if os.getuid() == 0 else []),
            *more,
        ]
        options = {"binary": chromium, "args": arguments}
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        session = self._ask("POST", "/session", {"capabilities": capabilities})
        self._url += f"/session/{session['sessionId']}"
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)

    def close(self) -> None:
        try:
            self._ask("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            shutil.rmtree(self._profile, ignore_errors=True)

    def _ready(self) -> bool:
        try:
            return bool(self._ask("GET", "/status")["ready"])
        except OSError:
            return False

    def _ask(self, method: str, path: str, value: dict[str, Any] | None = None) -> Any:
        data = None if method != "POST" else json.dumps(value or {}).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"].splitlines()[0]) from None

    def cdp(self, command: str, **parameters: Any) -> Any:
        """A command of Chromium's own protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str) -> Any:
        """Its last argument is to be called with what is wanted."""
        return self._ask("POST", "/execute/async", {"script": script, "args": []})

    def text(self, selector: str = "body") -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def sees(self, text: str, selector: str = "body", within: float = 15) -> str:
        """The text of the page, once it holds that."""

        def shown() -> str | None:
            found = self.text(selector)
            return found if text in found else None

        try:
            return eventually(shown, within=within)  # type: ignore[return-value]
        except AssertionError:
            raise AssertionError(f"{text!r} is not in: {self.text(selector)}") from None

    def click(self, selector: str, text: str = "") -> None:
        """The first that is shown, enabled, and holds `text`."""
        script = """
        return [...document.querySelectorAll(arguments[0])].find((each) =>
          each.innerText.includes(arguments[1]) && !each.disabled && each.offsetParent !== null) ?? null"""
        element = eventually(
            lambda: self.run(script, selector, text), within=15, message=f"{selector} {text!r}"
        )
        self._ask("POST", f"/element/{element[_ELEMENT]}/click")

    def fill(self, selector: str, text: str) -> None:
        element = eventually(
            lambda: self.run("return document.querySelector(arguments[0])", selector), message=selector
        )
        self._ask("POST", f"/element/{element[_ELEMENT]}/clear")
        self._ask("POST", f"/element/{element[_ELEMENT]}/value", {"text": text})

    def press(self, keys: str) -> None:
        """To whatever has the focus. Enter is \ue007, Escape \ue00c, Tab \ue004."""
        for key in keys:
            actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
            self._ask(
                "POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}
            )

    def size(self, width: int, height: int) -> None:
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def dark(self, *, on: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, file: Path, *, whole: bool = True) -> None:
        found = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(found["data"]))

    def serious(self) -> list[str]:
        """What axe-core finds serious or critical on the page as it is."""
        axe = npm_file("axe-core", "4.11.0", "package/axe.min.js").read_text(encoding="utf-8")
        self.run(axe)
        found = self.run_async(_AXE)
        return [
            f"{each['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"][:3] or [{"html": ""}]
        ]


def until(condition: Callable[[], Any], message: str = "", within: float = 15) -> Any:
    return eventually(condition, within=within, message=message)
