"""Chromium driven through the pipe of its DevTools protocol: no port, hence no loopback.

So all of it runs in a namespace without any network.
"""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# Run as a script, the browser tests have their own folder alone in reach.
sys.path.append(str(Path(__file__).parents[1] / "tools"))
from browser import FLAGS as STARTED

FLAGS = [
    *STARTED,
    "--log-level=3",
    "--hide-scrollbars",  # as on a phone, where they take no room
    "--no-proxy-server",
    "--remote-debugging-pipe",
]
# Second lock behind the namespace, and the only one where that is not permitted.
NO_HOST = "--host-resolver-rules=MAP * ~NOTFOUND"
WINDOWS = {"desk": (1400, 900), "phone": (390, 844)}
PATIENCE = 60  # seconds for one answer


class Chromium:
    """A browser with one tab; messages are JSON that ends in a zero byte."""

    def __init__(self, program: str, profile: str):
        theirs_in, self.outgoing = os.pipe()
        self.incoming, theirs_out = os.pipe()
        # Chromium reads its file 3 and writes its file 4; a shell gives them these numbers.
        numbered = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        options = [*FLAGS, NO_HOST, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            ["sh", "-c", numbered, "sh", program, *options],
            pass_fds=(theirs_in, theirs_out),
            stdout=sys.stderr,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.unread = b""
        self.sent = 0
        self.events: list[dict] = []
        self.session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")
        attached = self.call("Target.attachToTarget", **target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def receive(self) -> dict:
        """Next message."""
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.unread:
            left = max(0.0, end - time.monotonic())
            if not select.select([self.incoming], [], [], left)[0]:
                raise TimeoutError(f"no answer in {PATIENCE} s")
            data = os.read(self.incoming, 1 << 20)
            if not data:
                raise EOFError("Chromium ended; its last words are above.")
            self.unread += data
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

    def call(self, method: str, **params: object) -> dict:
        """Result of one command; what happens meanwhile is kept in ``events``."""
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": params, **self.session}
        os.write(self.outgoing, json.dumps(command).encode() + b"\0")
        while (message := self.receive()).get("id") != self.sent:
            self.events.append(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    def ask(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            error = answer["exceptionDetails"].get("exception", {}).get("description")
            raise RuntimeError(f"{expression[:60]}: {error}")
        return answer["result"].get("value")

    def resize(self, window: str) -> None:
        width, height = WINDOWS[window]
        size = {"width": width, "height": height}
        self.call(
            "Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False
        )

    def open(self, url: str) -> None:
        """Load a page."""
        self.events = []
        self.resize("desk")
        self.call("Page.navigate", url=url)
        while not any(
            event.get("method") == "Page.loadEventFired" for event in self.events
        ):
            self.events.append(self.receive())

    def press(self, key: str, code: int) -> None:
        """Press a key and let it go; ``code`` is its number on Windows."""
        options = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **options)

    def click(self, x: float, y: float) -> None:
        """Press and release the left button of the mouse at a point of the window."""
        options = {"x": x, "y": y, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **options)

    def close(self) -> None:
        """End the browser, which ends when its pipe does."""
        os.close(self.outgoing)
        os.close(self.incoming)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
