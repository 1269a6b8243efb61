"""A headless Chromium without a network, driven by its DevTools protocol over two pipes.

It is the machine's own, or else Debian's package: some 110 MB, unpacked into the cache like the
nodes' packages. Ubuntu's package is a snap, which cannot be unpacked: there it has to be installed
(the hosted runners have Google Chrome).
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from local import debs
from local.debs import Packages
from local.errors import LocalError

INSTALLED = ("google-chrome", "chromium-headless-shell", "chromium")

PACKAGES = Packages(
    "chromium",
    ("chromium-headless-shell", "chromium-common", "fonts-dejavu-core"),
    # Fonts beside the one that is wanted, and what only windows need.
    without=(
        "fonts-croscore",
        "fonts-freefont-otf",
        "fonts-freefont-ttf",
        "fonts-liberation",
        "fonts-liberation2",
        "fonts-texgyre",
        "fonts-urw-base35",
        "ttf-bitstream-vera",
        "x11-utils",
        "xdg-utils",
    ),
)

_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir>
<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
<alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
</fontconfig>
"""

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

PATIENCE = 600.0
"""Seconds after which it is killed."""


@dataclass
class Page:
    """One tab, and what has happened in it."""

    browser: "Browser"
    session: str
    requests: list[str] = field(default_factory=list)
    """The URLs that it asked for."""
    complaints: list[str] = field(default_factory=list)
    """What its console shows: errors, violated policies, failed requests."""

    def open(self, path: Path) -> None:
        """Open a file, and return once it is drawn."""
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.do(f"{domain}.enable")
        self.do("Page.navigate", url=path.absolute().as_uri())
        self.browser.wait_for(self.session, "Page.loadEventFired")

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Give it so many CSS pixels."""
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=width < 500,
        )  # fmt: skip

    def show_as(self, media: str, scheme: str = "light") -> None:
        """On a `screen` or in `print`, `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.do("Emulation.setEmulatedMedia", media=media, features=features)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON has it."""
        done = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def picture(self, path: Path, height: int | None = None) -> None:
        """Write a PNG of its whole length, or of so many pixels from the top."""
        width, whole = self.evaluate(
            "[document.documentElement.clientWidth, document.documentElement.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": width, "height": height or whole, "scale": 1}
        done = self.do("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(done["data"]))

    def pdf(self) -> bytes:
        """What printing it gives."""
        return base64.b64decode(self.do("Page.printToPDF")["data"])

    def do(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol."""
        return self.browser.do(method, self.session, **parameters)

    def hear(self, method: str, parameters: Mapping[str, Any]) -> None:
        """Take an event."""
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(parameters))


class Browser:
    """A browser that runs."""

    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._pages: dict[str, Page] = {}
        self._events: deque[tuple[str, str]] = deque()

    def page(self) -> Page:
        """A new tab."""
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, attached["sessionId"])
        self._pages[page.session] = page
        return page

    def do(self, method: str, session: str = "", **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol; its result."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        self._commands.write(json.dumps(command).encode() + b"\0")
        self._commands.flush()
        while True:
            message = self._read()
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])

    def wait_for(self, session: str, method: str) -> None:
        """Return once an event has come."""
        while (session, method) not in self._events:
            self._read()

    def _read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(_until_zero(self._answers))
        session, method = message.get("sessionId", ""), message.get("method", "")
        if method:
            self._events.append((session, method))
            if session in self._pages:
                self._pages[session].hear(method, message["params"])
        return message


def _until_zero(answers: BinaryIO) -> bytes:
    found = bytearray()
    while (byte := answers.read(1)) != b"\0":
        assert byte, "Chromium has ended"
        found += byte
    return bytes(found)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser in a network namespace that nothing leads out of; it ends with the block."""
    program, environment = _program()
    to_it, from_it = _pipe(), _pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _write_fonts(environment, Path(folder))
        command = [
            "unshare",
            *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
            "--net",
            # The protocol is on 3 and 4.
            *("bash", "-c", f'exec "$@" 3<&{to_it[0]} 4>&{from_it[1]}', "chromium"),
            *(program, *_OPTIONS, f"--user-data-dir={folder}/profile"),
        ]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment, "HOME": folder},
                pass_fds=(to_it[0], from_it[1]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(to_it[0])
        os.close(from_it[1])
        # Reading from it ends with it.
        deadline = threading.Timer(PATIENCE, process.kill)
        deadline.start()
        try:
            with os.fdopen(to_it[1], "wb") as commands, os.fdopen(from_it[0], "rb") as answers:
                found = Browser(commands, answers)
                yield found
        finally:
            deadline.cancel()
            process.kill()
            process.wait()


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are not 3 or 4, where Chromium's have to be."""
    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing


def _program() -> tuple[str, dict[str, str]]:
    """The program, and the environment that it needs beside its own."""
    for name in INSTALLED:
        if installed := shutil.which(name):
            return installed, {}
    try:
        usr = debs.unpacked(PACKAGES) / "usr"
    except LocalError as error:
        names = ", ".join(INSTALLED)
        raise LocalError(
            f"none of {names} is on PATH, and Debian's package cannot be had: install one\n{error}"
        ) from None
    folders = (usr / "lib").glob("*-linux-gnu*")
    # libpulse looks for its other half by an absolute path.
    libraries = [str(folder / part) for folder in folders for part in ("", "pulseaudio")]
    environment = {"LD_LIBRARY_PATH": ":".join(libraries), "FONTS": str(usr)}
    return str(usr / "lib/chromium/chromium-headless-shell"), environment


def _write_fonts(environment: dict[str, str], folder: Path) -> None:
    """Let it find the fonts where they were unpacked."""
    usr = environment.pop("FONTS", "")
    if usr:
        config = folder / "fonts.conf"
        config.write_text(_FONTS.format(fonts=f"{usr}/share/fonts", cache=folder / "fonts"))
        environment["FONTCONFIG_FILE"] = str(config)
