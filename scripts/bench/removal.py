"""What a snapshot of one workspace waits while large snapshots of another are being removed."""

import os
import statistics
import time

from common import agent, goal, milliseconds, spread, workspace

# A million files in all.
GENERATIONS = 10
TRIES = 40


def measure(options, api):
    print(f"Snapshot of 10 files while {GENERATIONS} snapshots of 100,000 files each are removed")
    workspace(options, api, "bench-10", 10, 1)
    workspace(options, api, "bench-100k", 100_000, 1_000)
    folder = f"{options.mount}/bench-100k/snapshots"
    with agent(options, "bench-10", "sleep", "infinity"), agent(options, "bench-100k", "sleep", "infinity"):
        large = [api.snapshot("bench-100k")["snapshot_id"] for _ in range(GENERATIONS)]
        os.sync()
        idle = [milliseconds(lambda: api.snapshot("bench-10")) for _ in range(TRIES)]
        drops = [milliseconds(lambda: api.drop("bench-100k", snapshot)) for snapshot in large]
        start = time.monotonic()
        busy = []
        while os.listdir(folder) and len(busy) < TRIES:
            busy.append(milliseconds(lambda: api.snapshot("bench-10")))
        left = len(os.listdir(folder))
        while os.listdir(folder):
            time.sleep(0.1)
        print(f"       removed in {time.monotonic() - start:.1f} s, {left} trees were left after the last snapshot")
    print(f"       drop, request to end: {spread(drops)}")
    print(f"       snapshot, nothing else going on: {spread(idle)}")
    print(f"       snapshot, during the removal: {spread(busy)}")
    goal("snapshot during a removal / otherwise, median", statistics.median(busy) / statistics.median(idle), 3, "x")
