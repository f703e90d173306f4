#!/usr/bin/env python3
"""Answers a request to freeze in its sidecar's stead, as fast as it can, for the first ROUNDS epochs.

usage: forging_agent.py CONTROL ROUNDS
"""

import json
import os
import sys

control, rounds = sys.argv[1], int(sys.argv[2])
forged = 0
open("log", "w").write("ready\n")
while forged < rounds:
    with open(control, "rb") as file:
        text = file.read()
    try:
        document = json.loads(text)
    except ValueError:
        continue
    if document["state"] != "REQUEST_FREEZE" or document["seq"] != document["end"] or document["epoch"] <= forged:
        continue
    document["state"] = "FROZEN"
    document["seq"] = document["end"] = document["seq"] + 1
    for sidecar in document["expects"]:
        document["acks"][sidecar] = {
            "nonce": "forged", "method": "cgroup2", "consistency": "quiesced", "processes": 1, "threads": 1, "flushed_files": 0,
            "freeze_ms": 0.1, "flush_ms": 0.1, "frozen_at": document["timestamp"], "held": None, "old_tree": [],
        }
    file = os.open(control, os.O_WRONLY)
    os.pwrite(file, json.dumps(document, separators=(",", ":")).encode().ljust(4096), 0)
    os.close(file)
    forged = document["epoch"]
open("tired", "w").close()
os.execvp("sleep", ["sleep", "1000"])
