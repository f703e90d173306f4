"""What every measurement of `make bench` shares: goals, the API's client, trees and agents."""

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import time
import types
import urllib.parse
import uuid

ROUNDS = 9
missed = []
# What `table` prints: metric, measured, goal, whether it is reached.
figures = []


def goal(text, reached, limit, unit="", at_least=False):
    """Prints a figure beside its goal."""
    kept = reached >= limit if at_least else reached <= limit
    if not kept:
        missed.append(text)
    sign = ">=" if at_least else "<="
    print(f"  {'ok  ' if kept else 'MISS'} {text}: {reached:.2f}{unit} (goal {sign} {limit}{unit})")
    figures.append((text, f"{reached:.2f}{unit}", f"{'at least' if at_least else 'at most'} {limit}{unit}", "ok" if kept else "missed"))


def table():
    """All goals so far in Markdown."""
    rows = [("metric", "measured", "goal", ""), ("---",) * 4] + figures
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


def milliseconds(function):
    start = time.monotonic()
    function()
    return (time.monotonic() - start) * 1000


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def spread(values):
    return f"median {statistics.median(values):.1f}, {min(values):.1f} to {max(values):.1f} ms"


class Client:
    """wvs-api over one connection."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=120)

    def send(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def task(self, method, path, body=None, member="task_id"):
        """Sends a write and waits until its task has succeeded."""
        task_id = self.send(method, path, body)[member]
        while True:
            task = self.send("GET", f"/v1/tasks/{task_id}", headers={"Prefer": "wait=30"})
            if task["status"] == "SUCCEEDED":
                return task["result"]
            if task["status"] in ("DEAD", "CANCELED"):
                raise SystemExit(f"task {task_id}: {task}")

    def workspace(self, wsid):
        self.task("POST", "/v1/workspaces", {"wsid": wsid, "owner": "bench", "uid": 1000, "gid": 1000}, "init_task_id")

    def snapshot(self, wsid):
        return self.task("POST", f"/v1/workspaces/{wsid}/snapshots", {})

    def set_current(self, wsid, snapshot):
        return self.task("POST", f"/v1/workspaces/{wsid}/current:set", {"snapshot_id": snapshot, "discard": True})

    def drop(self, wsid, snapshot):
        self.task("DELETE", f"/v1/workspaces/{wsid}/snapshots/{snapshot}")


@contextlib.contextmanager
def own_stack(options, **settings):
    """Another stack of the same programs, with more in its environment: its mount and its API."""
    folder = tempfile.mkdtemp(prefix="wvs-bench-stack.")
    lib = os.path.join(os.path.dirname(__file__), "..", "stack-lib.sh")

    def shell(script):
        words = ["bash", "-euo", "pipefail", "-c", f'. "$0"; {script}', lib, folder, options.bin]
        return subprocess.run(
            words, check=True, text=True, stdout=subprocess.PIPE, env={**os.environ, **settings}).stdout

    try:
        mount, url = shell('stack_start "$1" "$2" >&2; printf "%s\\n%s\\n" "$MOUNT" "$API_URL"').split()
        yield types.SimpleNamespace(bin=options.bin, mount=mount), Client(url)
    finally:
        shell('stack_stop "$1"')


def make_tree(path, files, folders):
    """Files of 1 to 4 KiB in a flat set of folders, owned by the agent."""
    os.makedirs(path, exist_ok=True)
    for folder in range(folders):
        name = f"{path}/folder-{folder:05}"
        os.mkdir(name)
        os.chown(name, 1000, 1000)
        for file in range(files // folders):
            target = f"{name}/file-{file:05}"
            with open(target, "wb") as out:
                out.write(os.urandom(1024 * (1 + file % 4)))
            os.chown(target, 1000, 1000)


@contextlib.contextmanager
def agent(options, wsid, *command):
    """A sidecar with an agent below it."""
    sidecar = subprocess.Popen(
        [f"{options.bin}/wvs-sidecar", "run", "--workspace", f"{options.mount}/{wsid}", "--user", "1000:1000", "--"]
        + list(command),
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    try:
        yield sidecar
    finally:
        sidecar.terminate()
        sidecar.wait()


def status(pid, name):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def workspace(options, api, wsid, files, folders):
    """The live tree of a workspace with so many files; made where no topic before made it."""
    link = f"{options.mount}/{wsid}/current"
    if not os.path.exists(link):
        api.workspace(wsid)
        make_tree(os.path.realpath(link), files, folders)
        os.sync()
    return os.path.realpath(link)
