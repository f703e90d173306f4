"""The freeze window of a snapshot of which nothing is cloned before the freeze (EXECUTOR_CLONE_PHASES=1)."""

import os
import shutil
import statistics

from clones import told
from common import ROUNDS, agent, goal, own_stack, spread, workspace


def measure(options, _api):
    print("Freeze window in one phase, 10,000 files, XFS with reflinks")
    with own_stack(options, EXECUTOR_CLONE_PHASES="1") as (own, api):
        live = workspace(own, api, "bench-10k", 10_000, 500)
        scratch = f"{own.mount}/scratch"
        bare, window = [], []
        with agent(own, "bench-10k", "sleep", "infinity"):
            for turn in range(ROUNDS + 1):
                took = told(f"{own.bin}/clone-bench", "reflink", live, scratch)
                shutil.rmtree(scratch)
                os.sync()
                result = api.snapshot("bench-10k")
                api.drop("bench-10k", result["snapshot_id"])
                while os.listdir(f"{own.mount}/bench-10k/snapshots"):
                    os.sync()
                # The first round warms the caches.
                if turn:
                    bare.append(took)
                    window.append(result["receipt"]["window_ms"])
        print(f"       freeze window {spread(window)}; bare engine {spread(bare)}")
        goal("one phase, freeze window / bare engine", statistics.median(window) / statistics.median(bare), 1.3, "x")
