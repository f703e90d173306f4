#!/usr/bin/env python3
"""An agent that does not want to be frozen, and writes lines into `log` in its working directory all the while.

usage: hostile_agent.py WAY [ARGUMENT]
"""

import ctypes
import os
import signal
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_TRACEME, PTRACE_CONT, PTRACE_ATTACH = 0, 7, 16


def write(name="log"):
    with open(name, "a") as log:
        log.write("line\n")


def write_for_ever():
    while True:
        write()
        time.sleep(0.001)


def forks():
    """Children that bear children, without end; nobody waits for them."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if os.fork() == 0:
            write()
            if os.fork() == 0:
                time.sleep(0.02)
                write()
            os._exit(0)
        time.sleep(0.002)


def deaf():
    """Blocks and ignores every signal that can be."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    write_for_ever()


def traced():
    """One child stands in a trace stop, another is attached to and let run."""
    stopped = os.fork()
    if stopped == 0:
        libc.ptrace(PTRACE_TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        write_for_ever()
    os.waitpid(stopped, os.WUNTRACED)
    running = os.fork()
    if running == 0:
        write_for_ever()
    libc.ptrace(PTRACE_ATTACH, running, None, None)
    os.waitpid(running, os.WUNTRACED)
    libc.ptrace(PTRACE_CONT, running, None, None)
    write_for_ever()


def stuck():
    """A thread waits in the file ARGUMENT, the others work."""
    import threading

    threading.Thread(target=lambda: open(sys.argv[2]).read() and write("read")).start()
    write_for_ever()


def vforks():
    """A thread waits, uninterruptibly, for a child that shares its memory and never calls execve."""
    import threading

    stack = ctypes.create_string_buffer(1 << 16)
    top = (ctypes.addressof(stack) + len(stack)) & ~15
    flags = 0x100 | 0x4000 | signal.SIGCHLD  # CLONE_VM, CLONE_VFORK
    threading.Thread(target=lambda: libc.clone(libc.pause, ctypes.c_void_p(top), flags, None)).start()
    write_for_ever()


def escapes():
    """Leaves its cgroup, and says whether it could."""
    own = next(line[3:].strip() for line in open("/proc/self/cgroup") if line.startswith("0::"))
    mount = next(line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup2 " in line)
    try:
        with open(mount + os.path.dirname(own).rstrip("/") + "/cgroup.procs", "w") as procs:
            procs.write("0")
        write("escaped")
    except OSError:
        write("kept")
    held = open("held", "w")
    held.write("open for writing")
    write_for_ever()


globals()[sys.argv[1]]()
