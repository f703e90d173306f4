"""First clones of several trees beside other ways to copy them, and the freeze window of a snapshot after 50 changes."""

import os
import random
import shutil
import statistics
import subprocess
import time

from common import agent, goal, make_tree, milliseconds, run, spread

CHANGED = 50


def make_packages(path):
    """26,000 files in packages, as a package manager leaves them: shallow, some of them scoped, links in .bin."""
    pick = random.Random(1)
    block = pick.randbytes(1 << 20)
    os.makedirs(f"{path}/node_modules/.bin")
    for number in range(1300):
        scope = f"@scope-{number % 40}/" if number % 5 == 0 else ""
        package = f"{path}/node_modules/{scope}package-{number:04}"
        names = ["package.json", "README.md", "LICENSE", "index.js"] + [f"lib/part-{part}.js" for part in range(8)]
        names += [f"dist/esm/part-{part}.mjs" for part in range(5)] + [f"dist/cjs/part-{part}.cjs" for part in range(3)]
        for name in names:
            os.makedirs(os.path.dirname(f"{package}/{name}"), exist_ok=True)
            size = int(200 * 100 ** pick.random())
            start = pick.randrange(len(block) - size)
            with open(f"{package}/{name}", "wb") as out:
                out.write(block[start : start + size])
        if number % 6 == 0:
            os.symlink(f"../package-{number:04}/index.js", f"{path}/node_modules/.bin/tool-{number}")
    run("chown", "-R", "1000:1000", path)


# Its name, how it is made, how often each contender clones it.
TREES = [
    ("10", lambda path: make_tree(path, 10, 1), 15),
    ("10k", lambda path: make_tree(path, 10_000, 500), 9),
    ("26k", make_packages, 7),
    ("100k", lambda path: make_tree(path, 100_000, 5000), 3),
]


def told(*words):
    """Milliseconds as a contender measured them itself: the last number before `ms`, or the only one."""
    words = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return float(words[words.index("ms") - 1] if "ms" in words else words[0])


def files_of(tree):
    return [f"{folder}/{name}" for folder, _, names in os.walk(tree) for name in names
            if not os.path.islink(f"{folder}/{name}")]


def change(files, turn):
    """Rewrites 50 of them, spread over the tree."""
    for path in files[turn % 7 :: max(1, len(files) // CHANGED)][:CHANGED]:
        with open(path, "r+b") as out:
            out.write(f"changed in turn {turn}".encode())


def first_clones(options, name, live, rounds):
    scratch = f"{options.mount}/scratch"
    times = {"engine": [], "c2": [], "cp": []}
    contenders = {
        "engine": lambda to: told(f"{options.bin}/clone-bench", "reflink", live, to),
        "c2": lambda to: told(options.c2, live, to),
        "cp": lambda to: milliseconds(lambda: run("cp", "-a", "--reflink=always", live, to)),
    }
    os.mkdir(scratch)
    for turn in range(rounds + 1):
        for contender, work in contenders.items():
            took = work(f"{scratch}/{contender}")
            shutil.rmtree(f"{scratch}/{contender}")
            os.sync()
            # The first round warms the caches.
            if turn:
                times[contender].append(took)
    os.rmdir(scratch)
    for contender, text in [("engine", "reflink engine"), ("c2", "C2"), ("cp", "cp -a --reflink=always")]:
        print(f"       {text}: {spread(times[contender])}")
    median = {contender: statistics.median(values) for contender, values in times.items()}
    if name != "10":
        goal(f"{name} files, first clone / C2", median["engine"] / median["c2"], 1.1, "x")
        goal(f"{name} files, cp -a / first clone", median["cp"] / median["engine"], 2, "x", at_least=True)
    return median["c2"]


def git(options, live, files):
    """What an agent's user would do without WVS: no freeze, and only what git keeps."""
    store = f"{options.mount}/scratch.git"
    environment = dict(os.environ, GIT_DIR=store, GIT_WORK_TREE=live, GIT_CONFIG_COUNT="3")
    for number, (key, value) in enumerate([("safe.directory", "*"), ("user.name", "bench"), ("user.email", "bench@localhost")]):
        environment[f"GIT_CONFIG_KEY_{number}"], environment[f"GIT_CONFIG_VALUE_{number}"] = key, value

    def commit():
        subprocess.run(["git", "add", "-A"], check=True, env=environment)
        subprocess.run(["git", "commit", "-qm", "bench"], check=True, env=environment)

    subprocess.run(["git", "init", "-q"], check=True, env=environment)
    first = milliseconds(commit)
    change(files, 3)
    print(f"       git add -A && git commit: {first:.0f} ms, after {CHANGED} changes {milliseconds(commit):.0f} ms")
    shutil.rmtree(store)


def windows(options, api, name, wsid, files, rounds, c2):
    took = []
    with agent(options, wsid, "sleep", "infinity"):
        for turn in range(rounds + 1):
            # What was changed long before costs nothing; this was changed just before, and is cloned again within the freeze.
            change(files, turn)
            result = api.snapshot(wsid)
            if turn:
                took.append(result["receipt"]["window_ms"])
            api.drop(wsid, result["snapshot_id"])
            # Its folder is removed in the background; the next round is not to pay for that.
            while os.listdir(f"{options.mount}/{wsid}/snapshots"):
                time.sleep(0.05)
            os.sync()
    print(f"       freeze window, {CHANGED} changed files: {spread(took)}")
    if name != "10":
        goal(f"{name} files, freeze window / C2", statistics.median(took) / c2, 0.10, "x")


def measure(options, api):
    for name, make, rounds in TREES:
        print(f"Clone of {name} files, XFS with reflinks")
        wsid = f"bench-{name}"
        link = f"{options.mount}/{wsid}/current"
        if not os.path.exists(link):
            api.workspace(wsid)
            make(os.path.realpath(link))
            os.sync()
        live = os.path.realpath(link)
        files = files_of(live)
        c2 = first_clones(options, name, live, rounds)
        windows(options, api, name, wsid, files, rounds, c2)
        git(options, live, files)
