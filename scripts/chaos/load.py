"""Clients of a chaos run: a mixed load through the API, with what was answered."""

import http.client
import json
import random
import threading
import time
import uuid


class Client(threading.Thread):
    """Requests at random in workspaces that stay, and in passing ones that are made, mended and disabled under fire; each is
    repeated with its key until there is an answer."""

    def __init__(self, number, seed, netloc, workspaces, passing, until):
        super().__init__(daemon=True)
        self.number = number
        self.random = random.Random(f"{seed} client {number}")
        self.netloc = netloc
        self.workspaces = workspaces
        # Of all clients.
        self.passing = passing
        self.made = 0
        self.until = until
        self.tasks = {}
        self.answers = {}
        self.problems = []
        self.requests = 0

    def run(self):
        try:
            while time.monotonic() < self.until:
                if self.random.random() < 0.2:
                    self.pass_by()
                else:
                    self.step(self.random.choice(self.workspaces))
                time.sleep(self.random.uniform(0.05, 0.5))
        except Exception as error:  # shown by the main thread
            self.problems.append(f"client: {error!r}")

    def step(self, wsid):
        dice = self.random.random()
        if dice < 0.5:
            self.write("POST", f"/v1/workspaces/{wsid}/snapshots", {"message": "chaos"})
        elif dice < 0.65:
            if snapshot := self.snapshot(wsid):
                body = {"snapshot_id": snapshot, "discard": self.random.random() < 0.5}
                self.write("POST", f"/v1/workspaces/{wsid}/current:set", body)
        elif dice < 0.85:
            if snapshot := self.snapshot(wsid):
                self.write("DELETE", f"/v1/workspaces/{wsid}/snapshots/{snapshot}")
        elif self.tasks:
            self.send("POST", f"/v1/tasks/{self.random.choice(list(self.tasks))}:cancel")

    def pass_by(self):
        """One step in the life of a workspace that is not to stay."""
        dice = self.random.random()
        if dice < 0.4 or not self.passing:
            self.make()
            return
        wsid = self.random.choice(self.passing)
        if dice < 0.6:
            self.write("POST", f"/v1/workspaces/{wsid}/snapshots", {"message": "passing"})
        elif dice < 0.8:
            self.write("POST", f"/v1/workspaces/{wsid}/retry-init")
        else:
            self.disable(wsid)

    def make(self):
        self.made += 1
        wsid = f"passing-{self.number}-{self.made}"
        task = self.write("POST", "/v1/workspaces", {"wsid": wsid, "owner": "chaos"})
        # Without its first task it is INIT_FAILED, and to be mended.
        if task and self.random.random() < 0.4:
            self.send("POST", f"/v1/tasks/{task}:cancel")
        self.passing.append(wsid)

    def disable(self, wsid):
        """While somebody else wants a task in it."""
        key = self.key()
        path = f"/v1/workspaces/{wsid}/snapshots"

        def ask():
            status, answer = self.send("POST", path, {"message": "rival"}, key)
            if status == 202:
                self.tasks[answer["task_id"]] = key

        rival = threading.Thread(target=ask, daemon=True)
        rival.start()
        self.send("DELETE", f"/v1/workspaces/{wsid}")
        rival.join()

    def key(self):
        return str(uuid.UUID(int=self.random.getrandbits(128)))

    def snapshot(self, wsid):
        status, body = self.send("GET", f"/v1/workspaces/{wsid}/snapshots?limit=20")
        items = body.get("data", body).get("items", []) if status == 200 and isinstance(body, dict) else []
        return self.random.choice(items)["snapshot_id"] if items else None

    def write(self, method, path, body=None):
        """One key makes one task, however often it is sent."""
        key = self.key()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status, answer = self.send(method, path, body, key)
            if status == 202:
                task = answer.get("task_id") or answer.get("init_task_id")
                if self.tasks.setdefault(task, key) != key or self.answers.setdefault(key, task) != task:
                    self.problems.append(f"key {key} made the tasks {self.answers[key]} and {task}")
                if self.random.random() < 0.1:
                    self.repeat(method, path, body, key, task)
                return task
            if status is not None and status < 500:
                return None
            time.sleep(0.3)
        self.problems.append(f"no answer within a minute: {method} {path}")
        return None

    def repeat(self, method, path, body, key, task):
        status, answer = self.send(method, path, body, key)
        if status == 202 and answer.get("task_id", answer.get("init_task_id")) != task:
            self.problems.append(f"a replay of {key} answered another task")

    def send(self, method, path, body=None, key=None):
        """Status and JSON; no status where the connection failed."""
        self.requests += 1
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Idempotency-Key"] = key
        connection = http.client.HTTPConnection(self.netloc, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            return None, None
        finally:
            connection.close()
