"""The freeze window of set_current and the time from a request to its end."""

import statistics

from common import ROUNDS, agent, goal, milliseconds, spread, workspace


def switch(options, api):
    print("Freeze window of set_current")
    workspace(options, api, "bench-10", 10, 1)
    workspace(options, api, "bench-10k", 10_000, 500)
    windows = {"bench-10": [], "bench-10k": []}
    with agent(options, "bench-10", "sleep", "infinity"), agent(options, "bench-10k", "sleep", "infinity"):
        snapshots = {wsid: api.snapshot(wsid)["snapshot_id"] for wsid in windows}
        for _ in range(ROUNDS):
            for wsid, snapshot in snapshots.items():
                windows[wsid].append(api.set_current(wsid, snapshot)["receipt"]["window_ms"])
    for wsid, files in [("bench-10", "10 files"), ("bench-10k", "10,000 files")]:
        print(f"       {files}: {spread(windows[wsid])}")
        goal(f"set_current, {files}, median", statistics.median(windows[wsid]), 3, " ms")


def latency(options, api):
    print("From request to SUCCEEDED, 10 files")
    with agent(options, "bench-10", "sleep", "infinity"):
        took = [milliseconds(lambda: api.snapshot("bench-10")) for _ in range(100)]
    print(f"       100 snapshots: {spread(took)}, p99 {sorted(took)[98]:.1f} ms")
    goal("request to SUCCEEDED, median", statistics.median(took), 30, " ms")


def measure(options, api):
    switch(options, api)
    latency(options, api)
