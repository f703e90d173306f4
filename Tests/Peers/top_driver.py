"""Sits at a pseudo-terminal before `wvsctl top` and works by keys alone.

usage: top_driver.py WVSCTL API_URL flow           the main flow, and every way to leave
       top_driver.py WVSCTL API_URL follow TASK    follows and cancels a task that does not end by itself
Prints what it did; exits 1, with what the terminal showed, where something did not come.
"""

import os
import signal
import sys

from terminal import Terminal

wvsctl, url, part, *rest = sys.argv[1:]


def start():
    top = Terminal(wvsctl, "top", WVS_API_URL=url)
    top.expect("WORKSPACES")
    return top


def left(top, status):
    top.ended(status)
    if "\x1b[?1049l" not in top.shown:
        sys.exit("the screen was not given back")


def flow():
    top = start()
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
    # The answer is longer than 80 columns: wider, all of it is there.
    top.resize(30, 120)
    top.expect(r"set by-keys to [0-9a-f-]{36}: task [0-9a-f-]{36} PENDING")
    top.keys("/nothing-has-this-name\r")
    top.expect("none")
    top.keys("\x1b")
    top.expect("by-keys")
    top.keys("?")
    top.expect("Nothing is destroyed without a question")
    top.keys(" ")
    top.keys("q")
    left(top, 0)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        top = start()
        os.kill(top.pid, number)
        left(top, 128 + number)


def follow(task):
    top = start()
    top.expect("RUNNING")
    top.keys("\t")
    top.expect("▸TASKS")
    top.keys("\r")
    top.expect(f"TASK {task}")
    top.expect("snapshot_create  RUNNING  attempt 1")
    top.keys("x")
    top.expect(rf"cancel task {task}\? y/N")
    top.keys("n")
    top.expect("not done")
    top.keys("x")
    top.expect("y/N")
    top.keys("y")
    top.expect(f"cancel task {task}: task ")
    top.expect_drawn_anew("snapshot_create  CANCELED")
    top.keys("\x1b")
    top.expect("SNAPSHOTS OF")
    top.keys("q")
    left(top, 0)


{"flow": flow, "follow": follow}[part](*rest)
