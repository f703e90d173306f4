"""Sits at a pseudo-terminal before single commands of wvsctl.

usage: prompt_driver.py WVSCTL API_URL refuse|confirm SNAPSHOT SNAPSHOT    sets ws-1 to the first, drops the second
       prompt_driver.py WVSCTL API_URL wait    waits for a snapshot of ws-1 that does not come, and stops by Ctrl-C
Prints what it did; exits 1, with what the terminal showed, where something did not come.
"""

import sys

from terminal import Terminal

wvsctl, url, part, *rest = sys.argv[1:]


def run(*words):
    return Terminal(wvsctl, *words, WVS_API_URL=url, WVSCTL_CONFIG="/nonexistent")


def asked(*words):
    command = run(*words)
    command.expect(r"\? \[y/N\] $")
    return command


def refuse(current, dropped):
    # A word, nothing, and the end of input: all but yes is no.
    for answer in ("n\r", "\r", "\x04"):
        for words in (("current", "set", "ws-1", current), ("snapshot", "drop", "ws-1", dropped)):
            command = asked(*words)
            command.keys(answer)
            command.expect("wvsctl: not done")
            command.ended(1)
    command = asked("workspace", "disable", "ws-1")
    command.keys("\x03")
    command.ended(-2)


def confirm(current, dropped):
    for words in (("current", "set", "ws-1", current), ("snapshot", "drop", "ws-1", dropped)):
        command = asked(*words, "--wait")
        command.keys("y\r")
        command.expect("SUCCEEDED")
        command.ended(0)


def wait():
    command = run("snapshot", "create", "ws-1", "--wait")
    command.expect(r"snapshot_create  RUNNING  attempt 1 .* [1-9]\d* s")
    command.keys("\x03")
    command.expect("stopped waiting; the task goes on: wvsctl task watch [0-9a-f-]{36}")
    command.ended(130)


{"refuse": refuse, "confirm": confirm, "wait": wait}[part](*rest)
