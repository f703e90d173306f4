"""The handshake on a local file system, and a thaw among a hundred busy processes."""

import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from common import goal, spread
from remote import Executor, wait_for

HANDSHAKES, BUSY = 200, 100


@contextlib.contextmanager
def crowd(number):
    """So many processes that never rest."""
    processes = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def urgent():
    """This process looks in time whatever else runs: what is measured is the sidecar."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def handshakes(executor, first, number):
    sidecar = executor.sidecars()[0]
    took = []
    for epoch in range(first, first + number):
        time.sleep(0.01)
        took.append(executor.handshake(epoch, sidecar))
    return [request for request, _ in took], [resume for _, resume in took]


def measure(options, _api):
    print("Handshake on a local file system, agent at rest")
    # What was measured before is not to be written back meanwhile.
    os.sync()
    folder = tempfile.mkdtemp(prefix="handshake-", dir=options.mount)
    try:
        executor = Executor(f"{folder}/bench-1", nap=0.0001)
        sidecar = subprocess.Popen(
            [f"{options.bin}/wvs-sidecar", "run", "--workspace", f"{folder}/bench-1", "--state-dir", f"{folder}/state", "--",
             "sleep", "infinity"],
            stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: executor.sidecars())
            time.sleep(0.5)
            with urgent():
                requests, resumes = handshakes(executor, 1, HANDSHAKES)
            with crowd(BUSY), urgent():
                _, among = handshakes(executor, 1 + HANDSHAKES, HANDSHAKES)
        finally:
            sidecar.terminate()
            sidecar.wait()
    finally:
        shutil.rmtree(folder)
    print(f"       request written to FROZEN seen: {spread(requests)}")
    print(f"       resume written to RUNNING seen: {spread(resumes)}; among {BUSY} busy processes: {spread(among)}")
    goal("handshake, median", statistics.median(requests), 2, " ms")
    goal(f"thaw among {BUSY} busy processes, p99", sorted(among)[len(among) * 99 // 100], 2, " ms")
