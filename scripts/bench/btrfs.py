"""The freeze window of a snapshot on btrfs beside the bare ioctl, whatever the size of the tree.

Starts a stack of its own, on a btrfs on a loop device.
"""

import contextlib
import fcntl
import os
import statistics
import struct
import subprocess
import tempfile
import types

from common import ROUNDS, Client, agent, goal, milliseconds, spread, workspace

SIZES = {"btrfs-10": (10, 1), "btrfs-10k": (10_000, 500), "btrfs-100k": (100_000, 1_000)}
# linux/btrfs.h: struct btrfs_ioctl_vol_args_v2, and v1 for the removal.
SNAP_CREATE_V2, SNAP_DESTROY, READ_ONLY = 0x50009417, 0x5000940F, 2


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


def destroy(folder, name):
    parent = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(parent, SNAP_DESTROY, bytearray(struct.pack("<q4088s", 0, name.encode())))
    finally:
        os.close(parent)


@contextlib.contextmanager
def stack(options):
    """A stack of the same programs on btrfs: its mount and its API."""
    folder = tempfile.mkdtemp(prefix="wvs-bench-btrfs.")
    lib = os.path.join(os.path.dirname(__file__), "..", "stack-lib.sh")

    def shell(script):
        words = ["bash", "-euo", "pipefail", "-c", f'. "$0"; {script}', lib, folder, options.bin]
        return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE).stdout

    try:
        os.environ["STACK_FILE_SYSTEM"] = "btrfs"
        mount, url = shell('stack_start "$1" "$2" >&2; printf "%s\\n%s\\n" "$MOUNT" "$API_URL"').split()
        yield types.SimpleNamespace(bin=options.bin, mount=mount), Client(url)
    finally:
        del os.environ["STACK_FILE_SYSTEM"]
        shell('stack_stop "$1"')


def windows(options, api):
    print("Freeze window of a snapshot on btrfs, synced before")
    scratch = f"{options.mount}/scratch"
    os.mkdir(scratch)
    bare = {wsid: [] for wsid in SIZES}
    window = {wsid: [] for wsid in SIZES}
    with contextlib.ExitStack() as agents:
        trees = {}
        for wsid, (files, folders) in SIZES.items():
            trees[wsid] = workspace(options, api, wsid, files, folders)
            agents.enter_context(agent(options, wsid, "sleep", "infinity"))
        for turn in range(ROUNDS + 1):
            for wsid, tree in trees.items():
                os.sync()
                took = snapshot(tree, scratch, "bare")
                destroy(scratch, "bare")
                os.sync()
                result = api.snapshot(wsid)
                assert result["engine"] == "btrfs", result
                api.drop(wsid, result["snapshot_id"])
                # The first round warms the caches.
                if turn:
                    bare[wsid].append(took)
                    window[wsid].append(result["receipt"]["window_ms"])
    for wsid, (files, _) in SIZES.items():
        print(f"       {files} files: freeze window {spread(window[wsid])}; bare ioctl {spread(bare[wsid])}")
        ratio = statistics.median(window[wsid]) / statistics.median(bare[wsid])
        goal(f"freeze window / bare snapshot ioctl, {files} files", ratio, 2, "x")


def measure(options, _api):
    with stack(options) as (own, api):
        windows(own, api)
