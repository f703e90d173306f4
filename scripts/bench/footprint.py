"""What a sidecar costs at rest."""

import time

from common import agent, goal, status, workspace


def measure(options, api):
    print("Sidecar at rest")
    workspace(options, api, "bench-10", 10, 1)
    with agent(options, "bench-10", "sleep", "infinity") as sidecar:
        api.snapshot("bench-10")
        time.sleep(6)
        before = status(sidecar.pid, "voluntary_ctxt_switches")
        time.sleep(10)
        wakeups = status(sidecar.pid, "voluntary_ctxt_switches") - before
        resident = status(sidecar.pid, "VmRSS") / 1024
        with open(f"/proc/{sidecar.pid}/smaps_rollup") as file:
            private = sum(int(line.split()[1]) for line in file if line.startswith("Private")) / 1024
    goal("sidecar, resident", resident, 12, " MiB")
    goal("sidecar, private", private, 8, " MiB")
    goal("sidecar, wake-ups in 10 s", wakeups, 3)
