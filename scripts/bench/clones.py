"""The clone of a tree beside other ways to copy it, and the freeze window of a snapshot."""

import os
import shutil
import statistics
import time

from common import ROUNDS, agent, goal, milliseconds, run, spread, workspace


def measure(options, api):
    print("Clone of 10,000 files in 500 folders, XFS with reflinks")
    live = workspace(options, api, "bench-10k", 10_000, 500)
    scratch = f"{options.mount}/scratch"
    os.mkdir(scratch)
    times = {"engine": [], "c2": [], "cp": [], "window": []}
    contenders = {
        "engine": lambda to: run(f"{options.bin}/clone-bench", "reflink", live, to),
        "c2": lambda to: run(options.c2, live, to),
        "cp": lambda to: run("cp", "-a", "--reflink=always", live, to),
    }
    with agent(options, "bench-10k", "sleep", "infinity"):
        for turn in range(ROUNDS + 1):
            for name, work in contenders.items():
                to = f"{scratch}/{name}"
                took = milliseconds(lambda: work(to))
                shutil.rmtree(to)
                os.sync()
                # The first round warms the caches.
                if turn:
                    times[name].append(took)
            result = api.snapshot("bench-10k")
            if turn:
                times["window"].append(result["receipt"]["window_ms"])
            api.drop("bench-10k", result["snapshot_id"])
            # Its folder is removed in the background; the next contender is not to pay for that.
            while os.listdir(f"{options.mount}/bench-10k/snapshots"):
                time.sleep(0.05)
            os.sync()
    for name, text in [
        ("engine", "reflink engine"), ("c2", "two-thread C loop"), ("cp", "cp -a --reflink=always"),
        ("window", "freeze window of a snapshot"),
    ]:
        print(f"       {text}: {spread(times[name])}")
    median = {name: statistics.median(values) for name, values in times.items()}
    goal("freeze window / bare engine", median["window"] / median["engine"], 1.3, "x")
    goal("cp -a / bare engine", median["cp"] / median["engine"], 1.7, "x", at_least=True)
    print(f"       bare engine / two-thread C loop: {median['engine'] / median['c2']:.2f}x")
