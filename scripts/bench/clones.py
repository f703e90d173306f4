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


class Git:
    """What an agent's user would do without WVS: no freeze, and only what git keeps."""

    def __init__(self, store, tree):
        self.store = store
        self.environment = dict(os.environ, GIT_DIR=store, GIT_WORK_TREE=tree, GIT_CONFIG_COUNT="3")
        settings = [("safe.directory", "*"), ("user.name", "bench"), ("user.email", "bench@localhost")]
        for number, (key, value) in enumerate(settings):
            self.environment[f"GIT_CONFIG_KEY_{number}"], self.environment[f"GIT_CONFIG_VALUE_{number}"] = key, value
        self.run("init", "-q")

    def run(self, *words):
        subprocess.run(["git", *words], check=True, env=self.environment)

    def commit(self):
        self.run("add", "-A")
        self.run("commit", "-qm", "bench")


def clone_once(work, scratch):
    took = work(scratch)
    shutil.rmtree(scratch)
    os.sync()
    return took


def window_once(options, api, wsid):
    result = api.snapshot(wsid)
    api.drop(wsid, result["snapshot_id"])
    # Its folder is removed in the background; the next round is not to pay for that.
    while os.listdir(f"{options.mount}/{wsid}/snapshots"):
        time.sleep(0.05)
    os.sync()
    return result["receipt"]["window_ms"]


def rounds(options, api, wsid, live, number):
    """Every contender once in each round: what slows the machine down for a while slows them all. Answers times in ms."""
    files = files_of(live)
    contenders = {
        "engine": lambda to: told(f"{options.bin}/clone-bench", "reflink", live, to),
        "c2": lambda to: told(options.c2, live, to),
        "cp": lambda to: milliseconds(lambda: run("cp", "-a", "--reflink=always", live, to)),
    }
    times = {contender: [] for contender in [*contenders, "window", "git"]}
    git = Git(f"{options.mount}/scratch.git", live)
    print(f"       git add -A && git commit, first: {milliseconds(git.commit):.0f} ms")
    with agent(options, wsid, "sleep", "infinity"):
        for turn in range(number + 1):
            took = {contender: clone_once(work, f"{options.mount}/scratch") for contender, work in contenders.items()}
            # What was changed long before costs nothing; this was changed just before, and is cloned again within the freeze.
            change(files, turn)
            took["window"] = window_once(options, api, wsid)
            took["git"] = milliseconds(git.commit)
            # The first round warms the caches.
            if turn:
                for contender, value in took.items():
                    times[contender].append(value)
    shutil.rmtree(git.store)
    return times


def report(name, times):
    texts = {
        "engine": "reflink engine", "c2": "C2", "cp": "cp -a --reflink=always",
        "window": f"freeze window, {CHANGED} changed files", "git": f"git add -A && git commit, {CHANGED} changed files",
    }
    for contender, text in texts.items():
        print(f"       {text}: {spread(times[contender])}")
    median = {contender: statistics.median(values) for contender, values in times.items()}
    if name != "10":
        goal(f"{name} files, first clone / C2", median["engine"] / median["c2"], 1.1, "x")
        goal(f"{name} files, cp -a / first clone", median["cp"] / median["engine"], 2, "x", at_least=True)
        goal(f"{name} files, freeze window / C2", median["window"] / median["c2"], 0.10, "x")


def measure(options, api):
    for name, make, number in TREES:
        print(f"Clone of {name} files, XFS with reflinks")
        wsid = f"bench-{name}"
        link = f"{options.mount}/{wsid}/current"
        if not os.path.exists(link):
            api.workspace(wsid)
            make(os.path.realpath(link))
            os.sync()
        report(name, rounds(options, api, wsid, os.path.realpath(link), number))
