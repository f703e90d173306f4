"""The task queue with an executor that does nothing, beside the same SQL by pgbench."""

import contextlib
import os
import pathlib
import statistics
import subprocess
import time

from common import goal

WORKSPACES = 1000
CLIENTS = 8
TASKS = 3000
ROUNDS = 5
PENDING = 30_000
ENDED = 1_000_000


class Database:
    """One of its own on the stack's server, with workspaces."""

    def __init__(self, options, name):
        self.options = options
        self.name = name
        self.dsn = options.dsn.replace("dbname=wvs", f"dbname={name}")
        self.psql(f"CREATE DATABASE {name}", options.dsn)
        subprocess.run(
            [f"{options.bin}/wvs-migrate", "up"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"WVS_DB_DSN": self.dsn, "WVS_MIGRATIONS": "migrations", "PATH": os.environ["PATH"]},
        )
        self.psql(
            "INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path, state) SELECT 'ws-' || n, '/ws/ws-' || n, "
            f"'bench', '/ws/ws-' || n || '/live/x', 'ACTIVE' FROM generate_series(0, {WORKSPACES} - 1) n"
        )
        # That of `crowd`: what is measured goes on in the others.
        self.psql(
            "INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path, state) "
            "VALUES ('crowded', '/ws/crowded', 'bench', '/ws/crowded/live/x', 'ACTIVE')"
        )

    def psql(self, sql, dsn=None):
        words = [f"{self.options.pgbin}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", dsn or self.dsn, "-c", sql]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    def add_tasks(self, count, status, wsid=f"'ws-' || n % {WORKSPACES}"):
        """Tasks that nobody enqueued: the newest is the last."""
        ended = "now()" if status == "SUCCEEDED" else "NULL"
        self.psql(
            "INSERT INTO wvs.tasks (task_id, wsid, op, status, idempotency_key, request_hash, created_at, ended_at, params) "
            f"SELECT gen_random_uuid(), {wsid}, 'snapshot_create', '{status}', gen_random_uuid(), '', "
            f"now() - (interval '1 ms' * ({count} - n)), {ended}, jsonb_build_object('snapshot_id', gen_random_uuid()) "
            f"FROM generate_series(1, {count}) n"
        )
        self.psql("VACUUM ANALYZE wvs.tasks")

    def fill(self, *wsid):
        waiting = int(self.psql("SELECT count(*) FROM wvs.tasks WHERE status IN ('PENDING', 'RUNNING', 'FAILED')"))
        self.add_tasks(PENDING - waiting, "PENDING", *wsid)

    @contextlib.contextmanager
    def worker(self, executor):
        environment = {
            "WVS_DB_DSN": self.dsn, "EXECUTOR_ADDRS": executor, "WVS_METRICS_ADDR": "127.0.0.1:0",
            "WORKER_CONCURRENCY": "8", "PATH": os.environ["PATH"],
        }
        process = subprocess.Popen(
            [f"{self.options.bin}/wvs-worker"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        next(line for line in process.stderr if '"worker started"' in line)
        log = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait()
            log.wait()

    def bench(self, *words):
        out = subprocess.run([f"{self.options.bin}/queue-bench", *map(str, words)], check=True, capture_output=True, text=True)
        return out.stdout.strip()

    def cycle(self, tasks=TASKS):
        """Tasks per second from the first enqueue to the last end."""
        return tasks / float(self.bench("cycle", self.dsn, tasks, CLIENTS))

    def enqueue(self, tasks, *notify):
        return tasks / float(self.bench("enqueue", self.dsn, tasks, CLIENTS, *notify))

    def replay(self):
        """Cycles per second by pgbench."""
        script = pathlib.Path(__file__).with_name("queue.sql")
        out = subprocess.run(
            [f"{self.options.pgbin}/pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-t", str(TASKS // CLIENTS),
             "-f", str(script), self.dsn],
            check=True, capture_output=True, text=True,
        ).stdout
        return float(next(line for line in out.splitlines() if line.startswith("tps")).split()[2])


@contextlib.contextmanager
def null_executor(options):
    process = subprocess.Popen([f"{options.bin}/queue-bench", "executor"], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def measure(options, _api):
    print(f"Task queue, {CLIENTS} slots, an executor that does nothing, {WORKSPACES} workspaces")
    names = ("empty", "pending", "crowded", "ended", "replayed")
    empty, pending, crowded, ended, replayed = (Database(options, f"queue_{name}") for name in names)
    ended.add_tasks(ENDED, "SUCCEEDED")
    rates = {"pgbench": [], "empty": [], "pending": [], "crowded": [], "ended": []}
    with null_executor(options) as executor:
        for database in (empty, pending, crowded, ended):
            with database.worker(executor):
                database.cycle(500)
        for _ in range(ROUNDS):
            rates["pgbench"].append(replayed.replay())
            with empty.worker(executor):
                rates["empty"].append(empty.cycle())
            pending.fill()
            with pending.worker(executor):
                rates["pending"].append(pending.cycle())
            # The oldest of all, and one after the other.
            crowded.fill("'crowded'")
            with crowded.worker(executor):
                rates["crowded"].append(crowded.cycle())
            with ended.worker(executor):
                rates["ended"].append(ended.cycle())
        for name, values in rates.items():
            print(f"       {name}: median {statistics.median(values):.0f} a second, {min(values):.0f} to {max(values):.0f}")
        median = {name: statistics.median(values) for name, values in rates.items()}
        goal("enqueue, claim and finish, beside pgbench with 8 clients", median["empty"] / median["pgbench"], 0.5, "x", True)
        goal(f"the same with {PENDING} pending", median["pending"] / median["empty"], 0.9, "x", True)
        goal(f"the same with {PENDING} pending in one workspace", median["crowded"] / median["empty"], 0.9, "x", True)
        goal(f"the same with {ENDED} ended", median["ended"] / median["empty"], 0.9, "x", True)
        idle(empty, executor)
    notify(empty)


def idle(database, executor):
    with database.worker(executor):
        time.sleep(0.5)
        since = database.psql("SELECT clock_timestamp()")
        database.bench("trickle", database.dsn, 200, 15)
        median, p99 = database.psql(
            "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM started_at - created_at)) "
            f"FROM wvs.tasks WHERE created_at > '{since}'"
        ).strip("{}").split(",")
    goal("enqueue to claim on an idle worker, median", float(median), 2, " ms")
    print(f"       p99: {float(p99):.2f} ms")


def notify(database):
    with_, without = [], []
    for _ in range(ROUNDS):
        without.append(database.enqueue(TASKS))
        with_.append(database.enqueue(TASKS, "notify"))
    print(f"       enqueue: {statistics.median(without):.0f} a second, with NOTIFY {statistics.median(with_):.0f}")
    goal("enqueue with NOTIFY, beside enqueue without", statistics.median(with_) / statistics.median(without), 0.9, "x", True)
