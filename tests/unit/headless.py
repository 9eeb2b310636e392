"""Chromium without a window, spoken to through a pipe (Chrome DevTools Protocol), for tests of pages."""

import json
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCREENS = ((1400, 900), (800, 900), (400, 700))
PATIENCE = 120  # seconds
FACTS = """(() => {
    const root = document.documentElement;
    const answer = document.querySelector("ANSWER");
    return {
        aside: root.scrollWidth - root.clientWidth,
        answer: answer ? answer.getBoundingClientRect().bottom : 1e9,
        links: [...document.links].map((link) => link.href),
    };
})()"""
BEGIN = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]


class Browser:
    """One page. requests: addresses that it asked for. errors: of its scripts and of what it loads."""

    def __init__(self, width: int = 1400, height: int = 900) -> None:
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.skip("no Chromium")
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.count, self.unread = 0, b""
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self.out = os.pipe()
        self.inlet, theirs_out = os.pipe()

        def third_and_fourth() -> None:
            kept = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(kept[0], 3)
            os.dup2(kept[1], 4)

        self.process = subprocess.Popen(
            [program, *BEGIN, f"--user-data-dir={self.folder.name}", f"--window-size={width},{height}"],
            preexec_fn=third_and_fourth,
            close_fds=False,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    session = ""

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.inlet)
        self.folder.cleanup()

    def ask(self, method: str, **parameters: Any) -> Any:
        """The result of a command; what happens meanwhile is noted."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, page: Path) -> None:
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def resize(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def press(self, key: str) -> None:
        """A key by its name, as `Tab`; Enter activates what has the focus."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, "")}[key]
        words = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **words)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **words)

    def problems(self, page: Path, width: int, height: int, answer: str) -> list[str]:
        """What is wrong with a page on a screen of this size: it scrolls sideways, what the selector `answer`
        finds is not within the first screen, something came from elsewhere than the disk, a link leads nowhere,
        a script complained, or it is not black on white on paper."""
        self.resize(width, height)
        self.requests.clear()
        self.errors.clear()
        self.open(page)
        facts = self.run(FACTS.replace("ANSWER", answer))
        wrong = [f"{facts['aside']} pixels sideways"] if facts["aside"] > 0 else []
        wrong += [] if facts["answer"] <= height else [f"the answer ends at {facts['answer']} pixels"]
        wrong += [url for url in self.requests if not url.startswith(("file:", "data:"))]
        links = {link.partition("#")[0] for link in facts["links"] if link.startswith("file:")}
        wrong += [f"no {link}" for link in sorted(links) if not Path(unquote(urlparse(link).path)).exists()]
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        self.ask("Emulation.setEmulatedMedia", media="print", features=dark)
        paper = self.run(
            "[getComputedStyle(document.documentElement), getComputedStyle(document.body)]"
            ".map((style, i) => i ? style.color : style.backgroundColor)"
        )
        self.ask("Emulation.setEmulatedMedia", media="", features=[])
        wrong += [] if paper == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"] else [f"on paper {paper}"]
        return [f"{page.name} at {width}: {one}" for one in wrong + self.errors]

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _next(self) -> Any:
        while b"\0" not in self.unread:
            assert select.select([self.inlet], [], [], PATIENCE)[0], "Chromium does not answer"
            read = os.read(self.inlet, 1 << 20)
            assert read, "Chromium has ended"
            self.unread += read
        line, _, self.unread = self.unread.partition(b"\0")
        message = json.loads(line)
        given = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(given["exceptionDetails"]))
        if message.get("method") == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.errors.append(given["entry"]["text"])
        if message.get("method") == "Runtime.consoleAPICalled" and given["type"] == "error":
            self.errors.append(json.dumps(given["args"]))
        return message


def problems_of_site(site: Path) -> list[str]:
    """Of every page of the report, on screens of every width."""
    with Browser() as browser:
        sizes = [(page, size) for size in SCREENS for page in sorted(site.glob("*.html"))]
        return [one for page, size in sizes for one in browser.problems(page, *size, answer=".found")]
