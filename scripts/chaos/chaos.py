#!/usr/bin/env python3
"""Strikes a whole WVS at random and sees whether its invariants hold: see scripts/chaos.sh."""

import argparse
import collections
import ctypes
import os
import random
import signal
import socket
import subprocess
import time

import agents
import checks
from load import Client
from programs import Stack

WORKSPACES = 24
# The first ones have an agent; the sidecars of the very first ones are left alone.
AGENTS = 5
UNSTRUCK = 2
LEASE = 3
# What a clone may take before an executor is stopped in it, on a busy machine.
LEASE_SLACK = 10
CLIENTS = 4
REST = 180
SHUTDOWN_TIMEOUT = 5
# For a busy machine.
SHUTDOWN_SLACK = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("dir", "bin", "mount", "engine", "dsn", "pgbin", "seed"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--hub")
    options = parser.parse_args()
    print(f"chaos: seed {options.seed}, {options.seconds:.0f} s; again with CHAOS_SEED={options.seed} scripts/chaos.sh", flush=True)
    chaos = Chaos(options)
    chaos.begin()
    problems = chaos.run()
    for problem in problems:
        print(f"  ✗ {problem}")
    print("Every invariant holds." if not problems else f"{len(problems)} invariants are broken; CHAOS_SEED={options.seed}")
    raise SystemExit(1 if problems else 0)


class Chaos:
    def __init__(self, options):
        self.options = options
        self.stack = Stack(options)
        self.random = random.Random(f"{options.seed} strikes")
        self.strikes = collections.Counter()
        self.agents = []
        self.clients = []
        self.healing = []
        self.endings = []

    # What there is

    def begin(self):
        options, stack = self.options, self.stack
        if options.hub:
            # The first one listens on its socket only.
            stack.restart_postgres()
        host = "10.213.0.1" if options.hub else "127.0.0.1"
        dsn = f"host={host} user=wvs dbname=wvs connect_timeout=3" if options.hub else options.dsn
        # This process is the clients: they reach the API from within.
        if options.hub:
            enter_network(options.hub)
        addresses = []
        for number in (1, 2):
            space = f"{options.hub}-e{number}" if options.hub else None
            # They keep their ports for all their lives.
            address = f"10.213.1{number}.2:9443" if options.hub else f"{host}:{free_port(host)}"
            executor = stack.start(
                f"executor{number}", [f"{options.bin}/wvs-executor"],
                {
                    "EXECUTOR_ID": f"executor-{number}", "EXECUTOR_MOUNT_PATH": options.mount, "EXECUTOR_VOLUME": "any",
                    "EXECUTOR_ENGINE": options.engine, "EXECUTOR_GRPC_ADDR": address,
                    "EXECUTOR_METRICS_ADDR": "127.0.0.1:0", "WVS_WORKSPACE_ROOT": options.mount,
                    # Rollbacks come faster here than an agent takes a step: its tree is not to be removed below it.
                    "EXECUTOR_LIVE_RETENTION": "1000",
                    # While one of them clones everything within the freeze, there is time to strike.
                    "EXECUTOR_CLONE_PHASES": str(number),
                    "EXECUTOR_QUIESCE_TIMEOUT": "3s", "EXECUTOR_FREEZE_LEASE": f"{LEASE}s", "EXECUTOR_TASK_TIMEOUT": "60s",
                },
                space,
            )
            addresses.append(executor.address("grpc"))
        api = stack.start(
            "api", [f"{options.bin}/wvs-api"],
            {
                "WVS_DB_DSN": dsn, "WVS_LISTEN_ADDR": f"{host}:{free_port(host)}", "WVS_METRICS_ADDR": "127.0.0.1:0",
                "WVS_WORKSPACE_ROOT": options.mount,
            },
            options.hub,
        )
        self.netloc = api.address("api")
        for number in (1, 2, 3):
            space = f"{options.hub}-w{number}" if options.hub else None
            worker = stack.start(
                f"worker{number}", [f"{options.bin}/wvs-worker"],
                {
                    "WVS_DB_DSN": dsn, "EXECUTOR_ADDRS": ",".join(addresses), "WVS_METRICS_ADDR": "127.0.0.1:0",
                    "WVS_WORKSPACE_ROOT": options.mount, "WORKER_LEASE": "4s", "WORKER_RETRY_BASE": "300ms",
                    "WORKER_CONCURRENCY": "3", "WORKER_SHUTDOWN_TIMEOUT": f"{SHUTDOWN_TIMEOUT}s",
                },
                space,
            )
            worker.address("metrics")
        # Answers for the workspaces that no agent uses.
        stack.start("node", [f"{options.bin}/wvs-sidecar", "node", "--root", options.mount], {})
        self.make_workspaces()

    def make_workspaces(self):
        self.maker = maker = Client(0, self.options.seed, self.netloc, [], [], 0)
        uid = 1000 if os.geteuid() == 0 else os.getuid()
        self.workspaces = [f"chaos-{number}" for number in range(WORKSPACES)]
        for wsid in self.workspaces:
            maker.write("POST", "/v1/workspaces", {"wsid": wsid, "owner": "chaos", "uid": uid, "gid": uid})
        self.wait("the workspaces", lambda: not self.stack.query(
            "SELECT FROM wvs.tasks WHERE status <> 'SUCCEEDED'"), 60)
        for number, wsid in enumerate(self.workspaces[:AGENTS]):
            kind = agents.Agent if number < UNSTRUCK else agents.StruckAgent
            self.agents.append(kind(self.stack, wsid))
            self.agents[-1].start()

    # What befalls it

    def run(self):
        until = time.monotonic() + self.options.seconds
        passing = []
        self.clients = [
            Client(number, self.options.seed, self.netloc, self.workspaces, passing, until)
            for number in range(1, CLIENTS + 1)
        ]
        for client in self.clients:
            client.start()
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.3, 2.0))
            self.heal()
            self.strike()
        self.heal(everything=True)
        for client in self.clients:
            client.join(90)
        return self.rest() + list(self.check())

    def strike(self):
        kinds = ["kill worker", "kill worker", "stop worker", "end worker", "kill executor", "stop executor", "kill api"]
        kinds += ["restart postgres", "kill sidecar", "stop sidecar", "kill guardian", "stop guardian"]
        # A worker loses everything, an executor only its workers: they still reach PostgreSQL.
        kinds += ["cut worker", "cut worker", "cut executor"] if self.options.hub else []
        kind = self.random.choice(kinds)
        self.strikes[kind] += 1
        name = {"worker": "worker" + str(self.random.randint(1, 3)), "executor": "executor" + str(self.random.randint(1, 2)),
                "api": "api"}.get(kind.split()[-1])
        agent = self.random.choice([agent for agent in self.agents if agent.is_struck])
        pause = self.random.uniform(0.2, 6.0)
        if kind == "restart postgres":
            return self.stack.restart_postgres()
        if kind.startswith("cut"):
            return self.cut(name[0] + name[-1], pause)
        if name is None:
            return self.strike_sidecar(agent, kind, pause)
        program = self.stack.programs[name]
        if any(entry[1] == name for entry in self.healing):
            return None
        if kind.startswith("stop"):
            program.send(signal.SIGSTOP)
            return self.later(pause, name, lambda: program.send(signal.SIGCONT))
        if kind.startswith("end"):
            self.endings.append(program.ending())
            return self.later(pause, name, lambda: (program.end(), program.start()))
        program.kill()
        return self.later(min(pause, 3), name, program.start)

    def strike_sidecar(self, agent, kind, pause):
        # Of sidecar and guardian one stands at any time: nobody else would let the agent go.
        if any(entry[1] == agent.wsid for entry in self.healing):
            return
        self.maker.send("POST", f"/v1/workspaces/{agent.wsid}/snapshots", {"message": "struck"}, self.maker.key())
        agent.await_freeze(2)
        # Somewhere in it.
        time.sleep(self.random.uniform(0, 0.05))
        self.later(pause, agent.wsid, agent.strike(kind))

    def cut(self, link, pause):
        if any(entry[1] == link for entry in self.healing):
            return
        words = ["ip", "-n", self.options.hub, "link", "set", link]
        subprocess.run(words + ["down"], check=True)
        self.later(pause, link, lambda: subprocess.run(words + ["up"], check=True))

    def later(self, seconds, name, action):
        self.healing.append((time.monotonic() + seconds, name, action))

    def heal(self, everything=False):
        due = [entry for entry in self.healing if everything or entry[0] <= time.monotonic()]
        self.healing = [entry for entry in self.healing if entry not in due]
        for _time, _name, action in due:
            action()

    # What holds

    def rest(self):
        """Waits until everything has come to its end."""
        problems = []
        unfinished = "SELECT task_id, op, status, attempt FROM wvs.tasks WHERE ended_at IS NULL"
        unpurged = "SELECT snapshot_id FROM wvs.snapshots WHERE deleted_at IS NOT NULL AND purged_at IS NULL"
        start = time.monotonic()
        for what, ended in (
            ("every task to end", lambda: not self.stack.query(unfinished)),
            ("every dropped snapshot to be deleted", lambda: not self.stack.query(unpurged)),
            ("staging and trash to be removed", lambda: not list(checks.leftovers(self.options.mount))),
        ):
            if not self.wait(what, ended, REST, fails=False):
                shown = self.stack.query(unfinished)[:5] or list(checks.leftovers(self.options.mount))[:5]
                problems.append(f"waited {REST} s in vain for {what}: {shown}")
        print(f"  at rest {time.monotonic() - start:.0f} s after the last strike", flush=True)
        return problems

    def check(self):
        problems = list(checks.rows(self.stack)) + list(
            checks.trees(self.stack, self.options.mount, {agent.wsid: agent for agent in self.agents}))
        for client in self.clients:
            problems += client.problems
        problems += self.lost() + self.late() + self.frozen() + self.unquiesced()
        for agent in self.agents:
            if not self.writes(agent.wsid):
                problems.append(f"the agent of {agent.wsid} stands still")
            if agent.sidecar.process.poll() is not None:
                problems.append(f"the sidecar of {agent.wsid} has ended")
        ends = self.stack.query("SELECT op, status, count(*), max(attempt) FROM wvs.tasks GROUP BY 1, 2 ORDER BY 1, 2")
        states = self.stack.query("SELECT state, count(*) FROM wvs.workspaces GROUP BY 1 ORDER BY 1")
        print("  workspaces: " + ", ".join(f"{count} {state}" for state, count in states))
        print(f"  {sum(client.requests for client in self.clients)} requests; " + ", ".join(
            f"{count} x {name}" for name, count in sorted(self.strikes.items())))
        for op, status, count, attempts in ends:
            print(f"  {op:16} {status:10} {count:>5}, at most {attempts} attempts")
        if not any(status == "SUCCEEDED" and op == "snapshot_create" for op, status, _count, _attempts in ends):
            problems.append("not one snapshot succeeded: nothing was tested")
        return problems

    def lost(self):
        """What a client was told is accepted stays, whatever happens to PostgreSQL."""
        there = {row[0] for row in self.stack.query("SELECT task_id FROM wvs.tasks")}
        accepted = {task for client in self.clients for task in client.tasks}
        print(f"  {len(accepted)} tasks accepted", flush=True)
        return [f"task {task} was accepted and is gone" for task in sorted(accepted - there)]

    def late(self):
        """Nothing that befalls the others keeps a worker that was told to end."""
        for thread in (ending.thread for ending in self.endings):
            thread.join()
        seconds = [ending.seconds for ending in self.endings]
        if seconds:
            print(f"  {len(seconds)} workers told to end took {max(seconds):.1f} s at most", flush=True)
        limit = SHUTDOWN_TIMEOUT + SHUTDOWN_SLACK
        return [f"a worker told to end took {taken:.1f} s, allowed are {limit}" for taken in seconds if taken > limit]

    def frozen(self):
        """Whoever dies or is stopped, no agent stands still for much longer than the lease."""
        stops = {agent.wsid: agent.longest_stop() for agent in self.agents}
        print(f"  agents stood still for {max(stops.values()):.1f} s at most", flush=True)
        limit = LEASE + LEASE_SLACK
        return [f"the agent of {wsid} stood still for {taken:.1f} s, allowed are {limit}" for wsid, taken in stops.items() if taken > limit]

    def unquiesced(self):
        """Else the search for torn ones finds nothing there."""
        struck = [agent for agent in self.agents if agent.is_struck]
        claims = collections.Counter(claim for agent in struck for claim in agent.consistencies())
        print("  snapshots where sidecars were struck: " + ", ".join(f"{count} {claim}" for claim, count in claims.items()), flush=True)
        by_cgroup = all(agent.cgroup for agent in struck)
        return ["no snapshot is quiesced where sidecars were struck"] if by_cgroup and not claims["quiesced"] else []

    def writes(self, wsid):
        def steps():
            total = 0
            for folder, _folders, files in os.walk(os.path.realpath(f"{self.options.mount}/{wsid}/current")):
                if "done" in files:
                    with open(f"{folder}/done", encoding="utf-8") as file:
                        total += int((file.read().split() or ["0"])[0])
            return total

        before = steps()
        return self.wait(f"the agent of {wsid}", lambda: steps() > before, 30, fails=False)

    def wait(self, what, condition, seconds, fails=True):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.2)
        if fails:
            raise SystemExit(f"waited in vain for {what}")
        return False


def enter_network(name):
    """This thread, and those that it starts, move into a network namespace."""
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{name}", encoding="utf-8") as space:
        if libc.setns(space.fileno(), clone_newnet) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")


def free_port(host):
    """A port that the kernel just gave out; programs that die have to come back to the same one."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


main()
