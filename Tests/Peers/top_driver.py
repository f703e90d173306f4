"""Sits at a pseudo-terminal before `wvsctl top` and does the main flow by keys alone.

usage: top_driver.py WVSCTL API_URL
Prints what it did; exits 1, with what the terminal showed, where something did not come.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

wvsctl, url = sys.argv[1:]
LIMIT = 60


class Terminal:
    """A child at a pseudo-terminal of 80x24, and all that it has written."""

    def __init__(self, *command):
        self.shown = ""
        self.master, slave = pty.openpty()
        self.slave = slave
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(slave)
        environment = dict(os.environ, TERM="xterm-256color", LANG="C.UTF-8", WVS_API_URL=url)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for descriptor in range(3):
                os.dup2(slave, descriptor)
            os.execve(command[0], command, environment)

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.shown += os.read(self.master, 65536).decode("utf-8", "replace")

    def text(self):
        """What was written since the last key, without escape sequences."""
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\([A-Z0-9]|[=>78])", " ", self.shown)

    def expect(self, pattern):
        end = time.monotonic() + LIMIT
        while not re.search(pattern, self.text()):
            if time.monotonic() > end:
                sys.exit(f"'{pattern}' did not come; the terminal got:\n{self.text()[-3000:]}")
            self.read(0.2)
        print(f"saw {pattern}")

    def keys(self, text):
        self.shown = ""
        os.write(self.master, text.encode())

    def resize(self, lines, columns):
        self.shown = ""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def expect_drawn_anew(self, pattern):
        """For what changes by less than a word: a new size makes it draw everything."""
        end = time.monotonic() + LIMIT
        lines = 24
        while not re.search(pattern, self.text()):
            if time.monotonic() > end:
                sys.exit(f"'{pattern}' did not come; the terminal got:\n{self.text()[-3000:]}")
            lines = 49 - lines
            self.resize(lines, 80)
            for _ in range(5):
                self.read(0.1)
        print(f"saw {pattern}")

    def ended(self, status):
        end = time.monotonic() + LIMIT
        while True:
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                sys.exit("it did not end")
            self.read(0.1)
        self.read(0.1)
        code = os.waitstatus_to_exitcode(code)
        if code != status:
            sys.exit(f"exit status {code}, expected {status}")
        if termios.tcgetattr(self.slave) != self.before:
            sys.exit("the terminal's settings are not what they were")
        if "\x1b[?1049l" not in self.shown:
            sys.exit("the screen was not given back")
        print(f"ended with {code}, terminal restored")


top = Terminal(wvsctl, "top")
top.expect("WORKSPACES")
top.keys("n")
top.expect("name of the new workspace")
top.keys("by-keys\r")
top.expect("owner of by-keys")
top.keys("tester\r")
top.expect("create workspace by-keys for tester: task")
top.expect("ACTIVE")
for message in ("kept", "dropped"):
    top.keys("s")
    top.expect("message of the snapshot of by-keys")
    top.keys(message + "\r")
    top.expect("snapshot by-keys: task")
    top.expect(message)
# The newest snapshot stands first and is selected.
top.keys("\t\t")
top.expect("▸SNAPSHOTS")
top.keys("d")
top.expect(r"drop snapshot \S+ of by-keys for good\? y/N")
top.keys("n")
top.expect("not done")
top.keys("d")
top.expect("y/N")
top.keys("y")
top.expect("for good: task")
top.expect_drawn_anew("OF by-keys 1")
top.keys("c")
top.expect(r"set by-keys to \S+\? y/N")
top.keys("y")
top.expect(r"set by-keys to \S+: task")
top.expect_drawn_anew(r"\* [0-9a-f]{8}-")
top.resize(30, 120)
top.expect("WORKSPACES")
top.keys("/nothing-has-this-name\r")
top.expect("none")
top.keys("\x1b")
top.expect("by-keys")
top.keys("?")
top.expect("Nothing is destroyed without a question")
top.keys(" ")
top.keys("q")
top.ended(0)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    top = Terminal(wvsctl, "top")
    top.expect("WORKSPACES")
    os.kill(top.pid, number)
    top.ended(128 + number)
