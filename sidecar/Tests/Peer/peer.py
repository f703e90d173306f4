#!/usr/bin/env python3
"""A sidecar in Python, written from PROTOCOL.md: one agent, stopped by SIGSTOP, with a guardian of its own.

usage: peer.py CONTROL_DIRECTORY ID [--stall-before-ack]

Writes its agent's process id into CONTROL_DIRECTORY/<ID>.agent once it is registered, and ends on SIGTERM. Knows nothing of the Swift sources; the tests let the two talk to each other.
"""
import fcntl
import json
import os
import secrets
import select
import signal
import socket
import sys
import time

ROOT, ID = sys.argv[1], sys.argv[2]
STALL = "--stall-before-ack" in sys.argv
MEMBERS = ["seq", "version", "state", "epoch", "task_id", "timestamp", "lease_ms", "lease_seq", "executor", "expects",
           "acks", "expect_current", "error", "end"]


def unique(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member twice")
    return dict(pairs)


def read():
    """The document, or None: whatever is not one consents to nothing."""
    for _ in range(4):
        try:
            file = os.open(f"{ROOT}/control.json", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                text = os.pread(file, 65537, 0)
            finally:
                os.close(file)
            document = json.loads(text.decode(), object_pairs_hook=unique)
            if [name for name in document if name != "request_id"] == MEMBERS and document["version"] == 1 and document["seq"] == document["end"]:
                return document
        except (OSError, ValueError, TypeError):
            pass
        time.sleep(0.0002)
    return None


def update(edit):
    """Compare-and-set: on without the lock after 100 ms."""
    with open(f"{ROOT}/control.lock", "r+") as lock:
        patience = time.monotonic() + 0.1
        while time.monotonic() < patience:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.0005)
        document = read()
        if document is None or not edit(document):
            return
        document["seq"] = document["end"] = document["seq"] + 1 + secrets.randbelow(65536)
        document["timestamp"] = now()
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode().ljust(4096)
        file = os.open(f"{ROOT}/control.json", os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.pwrite(file, text, 0)
        os.close(file)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000000Z"


def start_agent():
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    return pid


def start_guardian(agent):
    """Thaws on the deadline and when the sidecar dies; says whether the lease holds."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() != 0:
        theirs.close()
        return ours
    ours.close()
    os.setsid()
    deadline, lapsed = None, False
    while True:
        left = 0.05 if lapsed else None if deadline is None else max(0, deadline - time.monotonic())
        ready, _, _ = select.select([theirs], [], [], left)
        if deadline is not None and time.monotonic() >= deadline:
            deadline, lapsed = None, True
        message = theirs.recv(64).decode() if ready else None
        if lapsed or message == "":
            os.kill(agent, signal.SIGCONT)
        if message == "":
            os._exit(0)
        if message is None:
            continue
        word, _, value = message.partition(" ")
        if word == "arm":
            deadline, lapsed = float(value), False
        elif word == "extend" and not lapsed:
            deadline = float(value)
        elif word == "disarm":
            deadline, lapsed = None, False
        theirs.send(b"lapsed" if lapsed else b"holds")


class Sidecar:
    def __init__(self):
        self.agent = start_agent()
        self.guardian = start_guardian(self.agent)
        self.epoch, self.ack, self.frozen = 0, None, False
        found = read()
        self.found = (found["epoch"], found["lease_seq"]) if found and found["state"] == "REQUEST_FREEZE" else None
        self.register()

    def ask(self, message):
        self.guardian.send(message.encode())
        return self.guardian.recv(64) == b"holds"

    def register(self):
        folder = f"{ROOT}/sidecars"
        self.registration = open(f"{folder}/.new-{ID}", "x")
        fcntl.flock(self.registration, fcntl.LOCK_EX | fcntl.LOCK_NB)
        json.dump({"version": 1, "id": ID, "mode": "run", "method": "sigstop", "host": "peer", "pid": os.getpid(),
                   "started_at": now()}, self.registration)
        self.registration.flush()
        os.rename(f"{folder}/.new-{ID}", f"{folder}/{ID}.json")

    def step(self):
        looked = time.monotonic()
        document = read()
        if self.frozen and looked >= self.deadline:
            return self.thaw(False)
        if document is None or document["epoch"] < self.epoch:
            return
        state, expected = document["state"], ID in document["expects"]
        if document["epoch"] > self.epoch:
            if self.frozen:
                self.thaw(None)
            elif state == "REQUEST_FREEZE" and expected and (document["epoch"], document["lease_seq"]) != self.found:
                self.freeze(document, looked)
        elif self.frozen and not expected:
            self.thaw(None)
        elif self.frozen and state in ("REQUEST_RESUME", "RUNNING"):
            known = document["acks"].get(ID, {}).get("nonce") == self.ack["nonce"]
            self.thaw(state == "REQUEST_RESUME" and known and self.ask("probe"))
        elif self.ack is not None:
            if self.frozen and document["lease_seq"] > self.lease_seq:
                self.lease_seq = document["lease_seq"]
                self.deadline = max(self.deadline, self.unmoved + self.lease)
                self.ask(f"extend {self.deadline}")
            self.unmoved = looked
            update(self.answer)

    def freeze(self, document, looked):
        self.epoch, self.ack = document["epoch"], None
        self.lease, self.lease_seq = document["lease_ms"] / 1000, document["lease_seq"]
        self.unmoved, self.deadline = looked, looked + self.lease
        self.ask(f"arm {self.deadline}")
        self.frozen = True
        os.kill(self.agent, signal.SIGSTOP)
        while open(f"/proc/{self.agent}/stat").read().rpartition(") ")[2][0] != "T":
            pass
        if STALL:
            signal.pause()
        self.ack = {"nonce": secrets.token_hex(8), "method": "sigstop", "consistency": "best_effort", "processes": 1,
                    "threads": 1, "flushed_files": 0, "freeze_ms": 0.1, "flush_ms": 0, "frozen_at": now(), "held": None,
                    "old_tree": []}
        update(self.answer)

    def thaw(self, held):
        os.kill(self.agent, signal.SIGCONT)
        self.ask("disarm")
        self.frozen = False
        if held is None:
            self.ack = None
        else:
            self.ack["held"] = held
            update(self.answer)

    def answer(self, document):
        """Puts the acknowledgement where it is missing; the last one moves the state on."""
        released = document["state"] in ("REQUEST_RESUME", "RUNNING")
        if document["epoch"] != self.epoch or ID not in document["expects"]:
            return False
        if released and self.ack["held"] is None:
            return False
        before = json.dumps(document)
        document["acks"][ID] = self.ack
        acks = document["acks"]
        if document["state"] == "REQUEST_FREEZE" and document["error"] is None and all(
                id in acks and acks[id]["held"] is None for id in document["expects"]):
            document["state"] = "FROZEN"
        if document["state"] == "REQUEST_RESUME" and all(ack["held"] is not None for ack in acks.values()):
            document["state"] = "RUNNING"
        return json.dumps(document) != before


sidecar = Sidecar()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with open(f"{ROOT}/{ID}.new", "w") as file:
    file.write(str(sidecar.agent))
os.rename(f"{ROOT}/{ID}.new", f"{ROOT}/{ID}.agent")
try:
    while True:
        sidecar.step()
        time.sleep(0.002)
finally:
    os.kill(sidecar.agent, signal.SIGKILL)
