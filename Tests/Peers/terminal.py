"""A pseudo-terminal with a program at it, for drivers that are a person."""

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

LIMIT = 60


class Terminal:
    """A child at a pseudo-terminal of 80x24, and all that it has written."""

    def __init__(self, *command, **variables):
        self.shown = ""
        self.master, slave = pty.openpty()
        self.slave = slave
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(slave)
        environment = dict(os.environ, TERM="xterm-256color", LANG="C.UTF-8", **variables)
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
        print(f"ended with {code}, settings restored")
