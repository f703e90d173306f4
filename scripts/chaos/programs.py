"""The processes of a chaos run: started, killed, stopped and started again."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time


class Program:
    """One program of the stack, in a session of its own, also noted in the stack's list of what is to be ended."""

    def __init__(self, stack, name, words, environment, space=None):
        self.stack = stack
        self.name = name
        self.words = ([] if space is None else ["nsenter", f"--net=/run/netns/{space}"]) + words
        self.environment = {**os.environ, **environment}
        self.process = None
        self.lock = threading.Lock()
        self.lives = 0

    def start(self):
        with self.lock:
            self.lives += 1
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    self.words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            self.stack.note(self.name, self.process.pid)

    @property
    def log(self):
        return f"{self.stack.dir}/log/{self.name}.log"

    def send(self, number):
        with self.lock, contextlib.suppress(ProcessLookupError):
            if self.process and self.process.poll() is None:
                self.process.send_signal(number)

    def kill(self):
        self.send(signal.SIGKILL)
        self.process.wait()

    def ending(self):
        self.send(signal.SIGTERM)
        return Ending(self.process)

    def end(self, seconds=30):
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def address(self, role):
        """The address that its latest life listens on."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with open(self.log, "rb") as log:
                for line in reversed(log.read().splitlines()):
                    if b'"listening"' in line:
                        fields = json.loads(line)
                        if fields.get("program") == role:
                            return fields["address"]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise SystemExit(f"{self.name} does not listen: {log.read()[-2000:]}")


class Ending:
    """How long a process takes to end that was told to."""

    def __init__(self, process):
        self.process = process
        self.seconds = 0.0
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        start = time.monotonic()
        self.process.wait()
        self.seconds = time.monotonic() - start


class Stack:
    def __init__(self, options):
        self.options = options
        self.dir = options.dir
        self.programs = {}

    def note(self, name, pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                started = stat.read().rsplit(")", 1)[1].split()[19]
        except FileNotFoundError:
            return
        with open(f"{self.dir}/pids", "a", encoding="utf-8") as pids:
            pids.write(f"{name} {pid} {started}\n")

    def start(self, name, words, environment, space=None):
        program = self.programs[name] = Program(self, name, words, environment, space)
        program.start()
        return program

    def query(self, sql):
        """Rows as lists of text; over the socket, from outside all namespaces."""
        out = subprocess.run(
            [f"{self.options.pgbin}/psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.options.dsn,
             "-c", sql],
            check=True, capture_output=True, text=True,
        ).stdout
        return [line.split("\t") for line in out.splitlines()]

    def restart_postgres(self):
        """As `pg_ctl restart -m immediate`: sessions are cut, nothing is written back."""
        control = [f"{self.options.pgbin}/pg_ctl", "-D", f"{self.dir}/pg/data", "-w", "-t", "60"]
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run(user + control + ["stop", "-m", "immediate"], check=True, stdout=subprocess.DEVNULL)
        self.start_postgres()

    def start_postgres(self):
        hub = self.options.hub
        listen = ["-c", f"listen_addresses={'10.213.0.1' if hub else ''}"]
        words = [f"{self.options.pgbin}/postgres", "-D", f"{self.dir}/pg/data", "-c", f"unix_socket_directories={self.dir}/pg",
                 "-c", "unix_socket_permissions=0700", "-c", "fsync=on", *listen]
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.start("postgres", user + words, {}, hub)
        deadline = time.monotonic() + 60
        ready = [f"{self.options.pgbin}/pg_isready", "-q", "-h", f"{self.dir}/pg"]
        while subprocess.run(ready).returncode != 0:
            if time.monotonic() > deadline:
                raise SystemExit("PostgreSQL does not start")
            time.sleep(0.05)
