"""The agents of a chaos run, and who makes them stand still."""

import contextlib
import glob
import json
import os
import signal
import subprocess
import time

# Files that its tree holds besides, so that there is time to strike while it is cloned.
BALLAST = 2000


class Agent:
    """An agent with its sidecar; both are left alone."""

    is_struck = False

    def __init__(self, stack, wsid):
        self.stack = stack
        self.wsid = wsid
        self.ticker = f"{stack.dir}/ticker-{wsid}"
        self.options = stack.options
        self.folder = f"{self.options.mount}/{wsid}"
        self.command = [
            f"{stack.dir}/bin/demo-agent", "run", "--workspace", self.folder, "--cells", "6", "--pause", "30ms",
            "--ticker", self.ticker,
        ]

    def start(self):
        user = ["--user", "1000:1000"] if os.geteuid() == 0 else []
        self.make_ticker()
        self.sidecar = self.stack.start(
            f"sidecar-{self.wsid}",
            [f"{self.options.bin}/wvs-sidecar", "run", "--workspace", self.folder, *user, "--", *self.command], {})

    def make_ticker(self):
        with open(self.ticker, "wb"):
            if os.geteuid() == 0:
                os.chown(self.ticker, 1000, 1000)

    def longest_stop(self):
        """Seconds in which it did not run, as it has noticed itself."""
        with open(self.ticker, encoding="utf-8") as file:
            return max((int(line.split()[1]) for line in file), default=0) / 1e6

    def may_be_torn(self, _manifest):
        return False


class StruckAgent(Agent):
    """An agent that outlives its sidecar: killed, stopped, without its guardian, the sidecar is followed by another.

    Meanwhile snapshots are best effort, and say so: only what claims to be quiesced has to be whole.
    """

    is_struck = True

    def start(self):
        self.make_ticker()
        self.make_ballast()
        self.cgroup = self.make_cgroup()
        words = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"] if os.geteuid() == 0 else []
        enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.cgroup] if self.cgroup else []
        agent = self.stack.start(f"agent-{self.wsid}", enter + words + self.command, {})
        whom = ["--cgroup", self.cgroup] if self.cgroup else ["--pid", str(agent.process.pid)]
        self.sidecar = self.stack.start(
            f"sidecar-{self.wsid}",
            [f"{self.options.bin}/wvs-sidecar", "attach", "--workspace", self.folder, *whom], {})

    def make_ballast(self):
        folder = f"{self.folder}/current/ballast"
        os.mkdir(folder)
        for number in range(BALLAST):
            with open(f"{folder}/{number}", "w", encoding="utf-8") as file:
                file.write(str(number))

    def make_cgroup(self):
        """A cgroup2 of its own; none where that may not be."""
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
        for root in roots:
            cgroup = f"{root}/{os.path.basename(self.stack.dir)}-{self.wsid}"
            with contextlib.suppress(OSError):
                os.mkdir(cgroup)
                return cgroup
        return None

    def guardian(self):
        found = subprocess.run(
            ["pgrep", "-P", str(self.sidecar.process.pid), "-x", "wvs-guardian"], capture_output=True, text=True, check=False).stdout
        return int(found.split()[0]) if found else None

    def signal_guardian(self, number):
        guardian = self.guardian()
        if guardian is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(guardian, number)

    def restart_sidecar(self):
        """Whatever has become of the last one."""
        self.sidecar.end()
        self.sidecar.start()

    def await_freeze(self, seconds):
        """Until a freeze is under way, if one comes in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError), open(f"{self.folder}/.wvs/control.json", encoding="utf-8") as file:
                if json.load(file)["state"] in ("REQUEST_FREEZE", "FROZEN"):
                    return
            time.sleep(0.001)

    def strike(self, kind):
        """Does it, and returns how that heals."""
        if kind == "kill sidecar":
            self.sidecar.kill()
            return self.sidecar.start
        if kind == "stop sidecar":
            self.sidecar.send(signal.SIGSTOP)
            return lambda: self.sidecar.send(signal.SIGCONT)
        if kind == "stop guardian":
            guardian = self.guardian()
            self.signal_guardian(signal.SIGSTOP)
            return lambda: self.signal_guardian(signal.SIGCONT) if guardian == self.guardian() else None
        # Without it the sidecar ends by itself.
        self.signal_guardian(signal.SIGKILL)
        return self.restart_sidecar

    def may_be_torn(self, manifest):
        return consistency(manifest) != "quiesced"

    def consistencies(self):
        """What its snapshots claim."""
        return [consistency(manifest) for manifest in glob.glob(f"{self.folder}/snapshots/*.json")]


def consistency(manifest):
    with open(manifest, encoding="utf-8") as file:
        return json.load(file)["receipt"]["consistency"]
