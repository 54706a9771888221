#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""browser.py PROFILE SPKI - a headless Chromium for tests, by the DevTools protocol over its pipe.

PROFILE is a new folder, SPKI the base64 SHA-256 of the only self-signed public key it accepts. Reads one command a line from standard input and
answers each with "ok" and what was asked for, or "failed" and why:

	open URL                goes there and waits for the page
	login USER PASSWORD     fills in noVNC's form, once it asks
	connected               waits until the console is there
	status TEXT             waits until noVNC's message contains TEXT
	type TEXT               presses and releases its keys (letters, digits, blanks, '-'), then Enter
	canvas FILE             writes the console's picture (PNG)
	websocket URL           whether a page may open it: "open" or "refused"
"""
import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time

PATIENCE = 180  # seconds for anything that is awaited; a loaded machine takes its time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1000,700", "--remote-debugging-pipe"]


class Failed(Exception):
    pass


class Browser:
    def __init__(self, profile, spki):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise Failed("no chromium is installed")
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()

        def descriptors():  # 3 to read, 4 to write
            low = [os.dup(to_browser), os.dup(from_browser)]
            low = [fd if fd > 4 else os.dup2(fd, fd + 20) for fd in low]
            os.dup2(low[0], 3)
            os.dup2(low[1], 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, "--user-data-dir=" + profile, "--ignore-certificate-errors-spki-list=" + spki, "about:blank"],
            preexec_fn=descriptors, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(profile, "stderr"), "wb"))
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.ids = itertools.count(1)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def message(self, end):
        while b"\0" not in self.buffer:
            if not select.select([self.into], [], [], max(0, end - time.monotonic()))[0]:
                raise Failed("the browser does not answer")
            some = os.read(self.into, 1 << 16)
            if not some:
                raise Failed("the browser has ended")
            self.buffer += some
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **params):
        number, end = next(self.ids), time.monotonic() + PATIENCE
        request = {"id": number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            answer = self.message(end)
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failed(method + ": " + answer["error"]["message"])
                return answer["result"]

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise Failed(result["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        return result["result"].get("value")

    def wait(self, what, expression, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.value(expression):
                    return
                last = self.value("document.location + ': ' + document.body.innerText.slice(0, 300)")
            except Failed as why:  # between two pages
                last = why
            time.sleep(0.1)
        raise Failed(what + " never came; " + str(last).replace("\n", " | "))

    # ---- commands ----

    def navigate(self, url):
        """Who says nothing for a moment is taken for a VNC viewer, and on a loaded machine a browser may be late: it is asked again."""
        end = time.monotonic() + PATIENCE
        while error := self.call("Page.navigate", url=url).get("errorText"):
            if time.monotonic() > end:
                raise Failed(error)
            time.sleep(1)

    def open(self, url):
        self.navigate(url)
        self.wait("the page", "document.readyState == 'complete' && document.location.protocol == 'https:'")

    def login(self, user, password):
        form = "document.getElementById('noVNC_credentials_dlg').classList.contains('noVNC_open')"
        for left in (3, 2, 1, 0):
            try:
                self.wait("noVNC's form", form, PATIENCE / 4)
                break
            except Failed:
                if not left:
                    raise
                self.open(self.value("document.location.href"))  # its connection came too late
        fill = "document.getElementById('noVNC_%s_input').value = %s; "
        self.value(fill % ("username", json.dumps(user)) + fill % ("password", json.dumps(password)) +
                   "document.getElementById('noVNC_credentials_button').click()")

    def connected(self):
        self.wait("the console", "document.documentElement.classList.contains('noVNC_connected') && "
                  "document.querySelector('#noVNC_container canvas').width > 0")

    def status(self, text):
        self.wait("the message", "document.getElementById('noVNC_status').textContent.includes(%s)" % json.dumps(text))

    def key(self, key, code, number, text):
        event = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text):
        self.value("document.querySelector('#noVNC_container canvas').focus()")
        for c in text:
            code = {" ": "Space", "-": "Minus"}.get(c) or ("Digit" + c if c.isdigit() else "Key" + c.upper())
            self.key(c, code, 189 if c == "-" else ord(c.upper()), c)
        self.key("Enter", "Enter", 13, "\r")

    def canvas(self, path):
        url = self.value("document.querySelector('#noVNC_container canvas').toDataURL('image/png')")
        with open(path, "wb") as f:
            f.write(base64.b64decode(url.split(",", 1)[1]))

    def websocket(self, url):
        return self.value("new Promise(done => { const s = new WebSocket(%s, 'binary'); "
                          "s.onopen = () => { s.close(); done('open') }; s.onerror = () => done('refused') })" % json.dumps(url))

    def end(self):
        os.close(self.out)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    browser = None
    try:
        browser = Browser(sys.argv[1], sys.argv[2])
        print("ok", flush=True)
        for line in sys.stdin:
            name, *words = line.split()
            if name in ("type", "status"):
                words = [" ".join(words)]
            print("ok", getattr(browser, name)(*words) or "", flush=True)
    except (Failed, OSError, TypeError, AttributeError) as why:
        print("failed", why, flush=True)
        sys.exit(1)
    finally:
        if browser:
            browser.end()


main()
