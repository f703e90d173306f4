"""The handshake between two mounts of one JuiceFS volume, and what a sidecar costs that has to poll."""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import common
from common import goal, status

JUICEFS = ".build/tools/juicefs"
HANDSHAKES = 60


@contextlib.contextmanager
def volume():
    """A JuiceFS volume, mounted twice: the folders of both mounts, and the daemons."""
    folder = tempfile.mkdtemp(prefix="wvs-bench-remote.")
    daemons = []
    try:
        port = free_port()
        daemons.append(subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        address = f"redis://127.0.0.1:{port}/0"
        wait_for(lambda: quiet(JUICEFS, "--no-agent", "format", "--storage", "file", "--bucket", f"{folder}/blocks/", address, "bench"))
        mounts = [f"{folder}/mnt-{index}" for index in range(2)]
        for index, mount in enumerate(mounts):
            os.mkdir(mount)
            daemons.append(subprocess.Popen(
                [JUICEFS, "--no-agent", "mount", "--no-usage-report", "--no-syslog", "--metrics", "127.0.0.1:0",
                 "--cache-dir", f"{folder}/cache-{index}", address, mount],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for mount in mounts:
            wait_for(lambda: os.path.ismount(mount))
        yield mounts, daemons[1:], folder
    finally:
        for index in range(2):
            quiet("umount", "-l", f"{folder}/mnt-{index}")
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def quiet(*words):
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def wait_for(condition, limit=30):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("remote: waited in vain")
        time.sleep(0.02)


class Executor:
    """The executor's side of sidecar/PROTOCOL.md, as much as it takes to measure."""

    def __init__(self, workspace, nap=0.002):
        self.workspace = workspace
        # Seconds between two looks.
        self.nap = nap
        self.path = f"{workspace}/.wvs/control.json"
        for folder in ("", "/.wvs", "/.wvs/sidecars", "/live", "/live/one"):
            os.mkdir(workspace + folder, 0o755 if folder != "/.wvs" else 0o700)
        os.symlink("live/one", f"{workspace}/current")
        open(f"{workspace}/.wvs/control.lock", "w").close()
        self.document = {
            "seq": 0, "version": 1, "state": "RUNNING", "epoch": 0, "task_id": "", "timestamp": self.now(), "lease_ms": 0,
            "lease_seq": 0, "executor": "bench", "expects": [], "acks": {}, "expect_current": None, "error": None, "end": 0,
        }
        self.write()

    @staticmethod
    def now():
        return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())

    def write(self, **changes):
        self.document.update(changes)
        self.document["seq"] = self.document["end"] = self.document["seq"] + 1
        text = json.dumps(self.document, separators=(",", ":")).encode().ljust(4096)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(file, text, 0)
        os.close(file)

    def wait(self, state):
        """Answers when it was first seen."""
        while True:
            with open(self.path, "rb") as file:
                text = file.read()
            try:
                document = json.loads(text)
            except ValueError:
                document = None
            if document and document["seq"] == document["end"] and document["state"] == state:
                self.document = document
                return time.time()
            time.sleep(self.nap)

    def sidecars(self):
        folder = f"{self.workspace}/.wvs/sidecars"
        return [name[:-5] for name in os.listdir(folder) if name.endswith(".json")]

    def handshake(self, epoch, sidecar):
        """Freezes and thaws at once. Answers in ms: request to FROZEN, resume to RUNNING, and how long the agent stood still."""
        asked = time.time()
        self.write(state="REQUEST_FREEZE", epoch=epoch, lease_ms=10_000, expects=[sidecar], acks={}, error=None)
        frozen = self.wait("FROZEN")
        resumed = time.time()
        self.write(state="REQUEST_RESUME")
        thawed = self.wait("RUNNING")
        acknowledgement = self.document["acks"][sidecar]
        assert acknowledgement["held"] is True, acknowledgement
        return 1000 * (frozen - asked), 1000 * (thawed - resumed)


# Sleeps for half a millisecond at a time, and tells of each pause of more than two: what an agent itself feels of a freeze.
TICKER = """
import sys, time
out = open(sys.argv[1], "w", buffering=1)
last = time.time()
while True:
    time.sleep(0.0005)
    now = time.time()
    if now - last > 0.002: out.write(f"{last} {now}\\n")
    last = now
"""


def measure(options, api):
    if not os.path.exists(JUICEFS):
        return print("JuiceFS: there is no program for this kind of machine, nothing measured")
    print("Handshake between two mounts of a JuiceFS volume")
    with volume() as (mounts, daemons, folder):
        executor = Executor(f"{mounts[1]}/bench-1")
        gaps = f"{folder}/gaps"
        sidecar = subprocess.Popen(
            [f"{options.bin}/wvs-sidecar", "run", "--workspace", f"{mounts[0]}/bench-1", "--state-dir", f"{folder}/state", "--",
             "python3", "-c", TICKER, gaps],
            stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: executor.sidecars() and os.path.exists(gaps))
            handshakes(executor, gaps)
            idle(sidecar, daemons[0])
        finally:
            sidecar.terminate()
            sidecar.wait()


def handshakes(executor, gaps):
    sidecar = executor.sidecars()[0]
    requests, resumes, stood = [], [], []
    for epoch in range(1, HANDSHAKES + 1):
        # At any point of the sidecar's idle poll.
        time.sleep(0.3 + 0.25 * epoch / HANDSHAKES)
        began = time.time()
        request, resume = executor.handshake(epoch, sidecar)
        time.sleep(0.01)
        with open(gaps) as file:
            felt = [1000 * (float(end) - float(start)) for start, end in map(str.split, file) if float(end) > began]
        requests.append(request)
        resumes.append(resume)
        stood.append(max(felt, default=0))
    print(f"       request written to FROZEN seen, idle poll of 250 ms included: {common.spread(requests)}")
    print(f"       resume written to RUNNING seen: {common.spread(resumes)}")
    print(f"       the agent stood still: {common.spread(stood)}")
    goal("freeze by the handshake alone, median", statistics.median(stood), 20, " ms")


def idle(sidecar, daemon):
    seconds = 10
    time.sleep(2)
    before = [(status(process.pid, "voluntary_ctxt_switches"), processor(process.pid)) for process in (sidecar, daemon)]
    time.sleep(seconds)
    after = [(status(process.pid, "voluntary_ctxt_switches"), processor(process.pid)) for process in (sidecar, daemon)]
    (wakeups, busy), (_, server) = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(after, before)]
    print(
        f"       idle, polling every 250 ms: {wakeups / seconds:.1f} wake-ups/s, {100 * busy / seconds:.2f}% of a processor; "
        f"the mount's daemon {100 * server / seconds:.2f}%")


def processor(pid):
    """Seconds of a processor that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
