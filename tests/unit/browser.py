"""Headless Chromium by its debugging pipe: open a page, wait, run script, press keys, move the mouse, take pictures."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--hide-scrollbars", "--remote-debugging-pipe")  # fmt: skip
PATIENCE = 150.0  # s; of a machine that is busy with other tests


class Browser:
    """One page. `errors` are messages of the console and exceptions; `requests` what was asked of a network."""

    def __init__(self, profile: Path):
        self.errors, self.requests, self.count, self.rest = [], [], 0, b""
        to_read, self.write_end = os.pipe()
        self.read_end, to_write = os.pipe()

        def ends():  # Chromium reads from 3 and writes to 4
            first, second = os.dup(to_read), os.dup(to_write)
            os.dup2(first, 3)
            os.dup2(second, 4)

        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        command = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, preexec_fn=ends, close_fds=False, **quiet)
        os.close(to_read)
        os.close(to_write)
        self.session = None
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        os.close(self.read_end)
        os.close(self.write_end)

    def send(self, method: str, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters} | (
            {"sessionId": self.session} if self.session else {}
        )
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self) -> dict:
        while b"\0" not in self.rest:
            found = os.read(self.read_end, 1 << 20)
            assert found, "Chromium has ended"
            self.rest += found
        first, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(first)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, data: dict) -> None:
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(data["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and data["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(data["args"])[:500])
        elif method == "Log.entryAdded" and data["entry"]["level"] == "error":
            self.errors.append(data["entry"]["text"])
        elif method == "Network.requestWillBeSent" and data["request"]["url"].partition(":")[0] not in (
            "file",
            "data",
            "blob",
            "about",
        ):
            self.requests.append(data["request"]["url"])

    def open(self, page: Path, width: int = 1280, height: int = 900, mobile: bool = False) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.send("Page.navigate", url=page.resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def run(self, script: str):
        """Value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> None:
        """Until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.05)

    def box(self, selector: str) -> dict:
        """Place of an element in the window after it was scrolled there."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        return self.run(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")

    def hover(self, x: float, y: float, script: str) -> None:
        """The mouse stays about a place, as a hand does, until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            for shift in (3, 0):
                self.mouse("mouseMoved", x + shift, y)
                self.run("new Promise(done => setTimeout(done, 120))")

    def mouse(self, kind: str, x: float, y: float) -> None:
        """kind: mousePressed, mouseMoved, mouseReleased"""
        pressed = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=int(kind == "mousePressed"), **pressed)

    def drag(self, x: float, y: float, dx: float, dy: float) -> None:
        self.mouse("mousePressed", x, y)
        for part in (0.3, 0.6, 1.0):
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x + part * dx, y=y + part * dy, buttons=1, button="left")
        self.mouse("mouseReleased", x + dx, y + dy)

    def press(self, key: str, code: int, text: str = "") -> None:
        typed = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        for event in (typed, {"type": "keyUp"}):
            self.send("Input.dispatchKeyEvent", key=key, code=key, windowsVirtualKeyCode=code, **event)

    def picture(self) -> bytes:
        """PNG of the window."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
