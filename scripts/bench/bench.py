#!/usr/bin/env python3
"""The measurements of `make bench`, a file for each topic: see scripts/bench.sh. Prints each goal with what was reached."""

import argparse
import importlib

from common import Client, missed, table

TOPICS = ("clones", "windows", "phases", "handshake", "footprint", "btrfs", "removal", "remote", "api", "queue")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bin", "c2", "mount", "api", "dsn", "pgbin"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("topics", nargs="*", metavar="topic", help=f"only these of: {', '.join(TOPICS)}")
    options = parser.parse_args()
    unknown = [topic for topic in options.topics if topic not in TOPICS]
    if unknown:
        parser.error(f"no such topic: {', '.join(unknown)}; there are: {', '.join(TOPICS)}")
    api = Client(options.api)
    for topic in options.topics or TOPICS:
        importlib.import_module(topic).measure(options, api)
    table()
    print("Every goal is reached." if not missed else f"{len(missed)} goals are missed: {'; '.join(missed)}")
    raise SystemExit(1 if missed else 0)


main()
