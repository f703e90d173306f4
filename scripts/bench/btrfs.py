"""The freeze window of a snapshot on btrfs beside the bare ioctl, whatever the size of the tree.

Starts a stack of its own, on a btrfs on a loop device.
"""

import contextlib
import fcntl
import os
import statistics
import struct

from clones import make_packages
from common import ROUNDS, agent, goal, make_tree, milliseconds, own_stack, spread

# How each tree is made.
TREES = {
    "10": lambda path: make_tree(path, 10, 1),
    "10k": lambda path: make_tree(path, 10_000, 500),
    "26k": make_packages,
    "100k": lambda path: make_tree(path, 100_000, 1_000),
}
# linux/btrfs.h: struct btrfs_ioctl_vol_args_v2.
SNAP_CREATE_V2, READ_ONLY = 0x50009417, 2


def snapshot(source, folder, name):
    """The bare ioctl, read-only as the engine's."""
    fd = os.open(source, os.O_RDONLY)
    parent = os.open(folder, os.O_RDONLY)
    arguments = bytearray(struct.pack("<qQQ4Q4040s", fd, 0, READ_ONLY, 0, 0, 0, 0, name.encode()))
    try:
        return milliseconds(lambda: fcntl.ioctl(parent, SNAP_CREATE_V2, arguments))
    finally:
        os.close(fd)
        os.close(parent)


def windows(options, api):
    print("Freeze window of a snapshot on btrfs, synced before")
    scratch = f"{options.mount}/scratch"
    os.mkdir(scratch)
    bare = {name: [] for name in TREES}
    window = {name: [] for name in TREES}
    with contextlib.ExitStack() as agents:
        trees = {}
        for name, make in TREES.items():
            wsid = f"btrfs-{name}"
            api.workspace(wsid)
            trees[name] = os.path.realpath(f"{options.mount}/{wsid}/current")
            make(trees[name])
            agents.enter_context(agent(options, wsid, "sleep", "infinity"))
        for turn in range(ROUNDS + 1):
            for name, tree in trees.items():
                # Nothing is removed meanwhile: that goes on in the background, and would be measured with what comes next.
                os.sync()
                took = snapshot(tree, scratch, f"{name}-{turn}")
                os.sync()
                result = api.snapshot(f"btrfs-{name}")
                assert result["engine"] == "btrfs", result
                # The first round warms the caches.
                if turn:
                    bare[name].append(took)
                    window[name].append(result["receipt"]["window_ms"])
    for name in TREES:
        print(f"       {name} files: freeze window {spread(window[name])}; bare ioctl {spread(bare[name])}")
        ratio = statistics.median(window[name]) / statistics.median(bare[name])
        goal(f"freeze window / bare snapshot ioctl, {name} files", ratio, 2, "x")


def measure(options, _api):
    with own_stack(options, STACK_FILE_SYSTEM="btrfs") as (own, api):
        windows(own, api)
