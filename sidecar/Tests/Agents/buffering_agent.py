#!/usr/bin/env python3
"""An agent that flushes nothing: it writes records into files that it keeps open in every way it knows, and tells how many are
written in a file elsewhere, which the test reads while the agent is frozen.

usage: buffering_agent.py LIVE TRUTH [--many N]

TRUTH holds a counter of 8 bytes for each way, in the order of WAYS: records that write(2) or a store has completed. Record n of
a file is n as 15 digits and a line feed; `mapped` and `orphaned` hold the last one only. The counter behind them is that of the N files in
`crowd`. Must run as root, for its mounts.
"""

import ctypes
import mmap
import os
import select
import signal
import socket
import sys
import threading
import time

WAYS = ("plain", "appended", "secret", "renamed", "linked", "mapped", "threaded", "elsewhere", "orphaned")
RECORD = 16
CLONE_FILES, CLONE_NEWNS = 0x400, 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SYS_EXIT = 60

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
live, truth_path = sys.argv[1:3]
many = int(sys.argv[4]) if len(sys.argv) > 3 else 0


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def path(name):
    return os.path.join(live, name)


def record(number):
    return b"%015d\n" % number


truth_file = os.open(truth_path, os.O_RDWR)
truth = mmap.mmap(truth_file, 4096)
# One store each: struct.pack_into clears the place first, and the freeze may come in between.
counters = (ctypes.c_uint64 * (len(WAYS) + 1)).from_buffer(truth)


def completed(way, number):
    counters[WAYS.index(way)] = number


def write_records(way, file):
    """A generator that writes one record at each step."""
    number = 0
    while True:
        assert os.write(file, record(number)) == RECORD
        number += 1
        completed(way, number)
        yield


# Fast enough that each clone finds something new, slow enough that the files stay small.
PAUSE = 0.005


def create(name, flags=0):
    return os.open(path(name), os.O_RDWR | os.O_CREAT | flags, 0o644)


def plain():
    return write_records("plain", create("plain"))


def appended():
    return write_records("appended", os.open(path("appended"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))


def secret():
    file = create("secret")
    os.fchmod(file, 0o400)
    return write_records("secret", file)


def renamed():
    file = create("renamed.new")
    os.rename(path("renamed.new"), path("renamed"))
    return write_records("renamed", file)


def linked():
    """The name under which it was opened is gone, another one is not."""
    file = create("linked.first")
    os.link(path("linked.first"), path("linked"))
    os.unlink(path("linked.first"))
    return write_records("linked", file)


def map_new(name):
    """The address of a shared mapping of a new file, which no descriptor holds. (Python's own mmap keeps one.)"""
    file = create(name)
    os.ftruncate(file, 4096)
    address = libc.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file, 0)
    assert address != ctypes.c_void_p(-1).value
    os.close(file)
    return address


def store_records(way):
    """As write_records, by stores into a shared mapping."""
    address = map_new(way)
    number = 0
    while True:
        ctypes.memmove(address, record(number), RECORD)
        number += 1
        completed(way, number)
        yield


def sealed():
    """A mapping whose pages are read-only again: dirty all the same."""
    address = map_new("sealed")
    ctypes.memmove(address, b"sealed", 6)
    check(libc.mprotect(ctypes.c_void_p(address), 4096, mmap.PROT_READ), "mprotect")


def junk():
    """Descriptors that hold nothing to flush."""
    epoll = select.epoll()
    shared = os.memfd_create("shared")
    os.ftruncate(shared, 4096)
    anonymous = mmap.mmap(shared, 4096)
    anonymous[0:4] = b"junk"
    gone = create("gone")
    os.unlink(path("gone"))
    os.write(gone, b"nobody misses this")
    reader = os.open(path("plain"), os.O_RDONLY)
    view = mmap.mmap(reader, RECORD, prot=mmap.PROT_READ) if os.fstat(reader).st_size else None
    pipe = os.pipe()
    os.write(pipe[1], b"x")
    os.mkfifo(path("fifo"))
    fifo = os.open(path("fifo"), os.O_RDWR | os.O_NONBLOCK)
    listener = socket.socket(socket.AF_UNIX)
    os.chdir(live)
    listener.bind("socket")
    return [
        epoll, anonymous, gone, view, pipe, fifo, listener, socket.socketpair(), os.open(live, os.O_RDONLY | os.O_DIRECTORY),
        os.open("/dev/null", os.O_RDWR), os.open(live, os.O_PATH), signal.set_wakeup_fd(-1),
    ]


def endless(steps):
    for _ in steps:
        time.sleep(PAUSE)


def threaded():
    """A thread with a table of descriptors of its own."""
    check(libc.unshare(CLONE_FILES), "unshare")
    endless(write_records("threaded", create("threaded")))


def in_child(work):
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        libc.prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        try:
            work()
        finally:
            os._exit(1)


def elsewhere():
    """Another mount namespace, in which the workspace has another name and the old one is out of reach."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    # LIVE is WORKSPACE/live/ID.
    workspace, tree = live.rsplit("/", 2)[0], "/".join(live.rsplit("/", 2)[1:])
    check(libc.mount(workspace.encode(), b"/mnt", None, MS_BIND, None), "mount")
    os.chroot("/mnt")
    os.chdir("/")
    endless(write_records("elsewhere", os.open("/%s/elsewhere" % tree, os.O_RDWR | os.O_CREAT, 0o644)))


def orphaned():
    """The leader of the threads ends before the others."""
    threading.Thread(target=lambda: endless(store_records("orphaned"))).start()
    libc.syscall(SYS_EXIT, 0)


def crowd():
    """Very many descriptors, with a record in each."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (many + 100, many + 100))
    os.mkdir(path("crowd"))
    for number in range(many):
        os.write(create("crowd/%05d" % number), record(number))
        counters[len(WAYS)] = number + 1
    signal.pause()


in_child(elsewhere)
in_child(orphaned)
if many:
    in_child(crowd)
threading.Thread(target=threaded, daemon=True).start()
ways = [plain(), appended(), secret(), renamed(), linked(), store_records("mapped")]
for way in ways:
    next(way)
sealed()
kept = junk()
while True:
    for way in ways:
        next(way)
    time.sleep(PAUSE)
