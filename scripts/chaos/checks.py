"""Every invariant of the task engine, from outside: rows by SQL, trees in the file system."""

import os
import subprocess

ROWS = {
    "every task has ended": """
        SELECT task_id, status FROM wvs.tasks WHERE status NOT IN ('SUCCEEDED', 'CANCELED', 'DEAD') OR ended_at IS NULL""",
    "every ended task has exactly one end record": """
        SELECT t.task_id, t.status, count(a.*) FROM wvs.tasks t LEFT JOIN wvs.audit a
          ON a.task_id = t.task_id AND a.payload->'after'->>'status' IN ('SUCCEEDED', 'CANCELED', 'DEAD')
        GROUP BY t.task_id HAVING count(a.*) <> 1""",
    "the end record says how it ended": """
        SELECT t.task_id, t.status, a.payload->'after'->>'status' FROM wvs.tasks t JOIN wvs.audit a USING (task_id)
        WHERE a.payload->'after'->>'status' IN ('SUCCEEDED', 'CANCELED', 'DEAD')
          AND a.payload->'after'->>'status' <> t.status""",
    "one key makes one task": """
        SELECT wsid, op, idempotency_key FROM wvs.tasks GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "every attempt was recorded": """
        SELECT t.task_id, t.attempt, count(a.*) FROM wvs.tasks t LEFT JOIN wvs.audit a
          ON a.task_id = t.task_id AND a.payload->'after'->>'status' = 'RUNNING'
        GROUP BY t.task_id HAVING count(a.*) <> t.attempt""",
    "between the start and the end of an attempt no other task of the workspace starts": """
        SELECT task_id, status, next_task, next_status FROM (
            SELECT task_id, payload->'after'->>'status' AS status, lead(task_id) OVER w AS next_task,
                   lead(payload->'after'->>'status') OVER w AS next_status
            FROM wvs.audit WHERE payload->'before'->>'status' IS NOT NULL AND payload->'after'->>'status' IS NOT NULL
              AND (payload->'before'->>'status' = 'RUNNING' OR payload->'after'->>'status' = 'RUNNING')
            WINDOW w AS (PARTITION BY wsid ORDER BY event_id)) s
        WHERE status = 'RUNNING' AND (next_task <> task_id OR next_status = 'RUNNING')""",
    "fences of a workspace only rise": """
        SELECT wsid, task_id, fence FROM (
            SELECT wsid, task_id, (payload->'after'->>'fence')::bigint AS fence,
                   lag((payload->'after'->>'fence')::bigint) OVER (PARTITION BY wsid ORDER BY event_id) AS before
            FROM wvs.audit WHERE payload->'after' ? 'fence') f
        WHERE fence <= before""",
    "tasks start in the order in which they were accepted": """
        SELECT wsid, task_id FROM (
            SELECT t.wsid, t.task_id, t.created_at,
                   max(t.created_at) OVER (PARTITION BY t.wsid ORDER BY a.first ROWS UNBOUNDED PRECEDING) AS latest
            FROM wvs.tasks t JOIN (
                SELECT task_id, min(event_id) AS first FROM wvs.audit
                WHERE payload->'after'->>'status' = 'RUNNING' GROUP BY task_id) a USING (task_id)) s
        WHERE created_at < latest""",
    "a succeeded snapshot has its row": """
        SELECT task_id FROM wvs.tasks t LEFT JOIN wvs.snapshots s ON s.snapshot_id = t.params->>'snapshot_id'
        WHERE op = 'snapshot_create' AND status = 'SUCCEEDED' AND s.snapshot_id IS NULL""",
    "a snapshot's row has a succeeded task": """
        SELECT s.snapshot_id FROM wvs.snapshots s LEFT JOIN wvs.tasks t
          ON t.params->>'snapshot_id' = s.snapshot_id AND t.op = 'snapshot_create' AND t.status = 'SUCCEEDED'
        WHERE t.task_id IS NULL""",
    "a succeeded drop has marked its snapshot": """
        SELECT task_id FROM wvs.tasks t JOIN wvs.snapshots s ON s.snapshot_id = t.params->>'snapshot_id'
        WHERE op = 'snapshot_drop' AND status = 'SUCCEEDED' AND s.deleted_at IS NULL""",
    "no rollback was accepted in vain": """
        SELECT task_id, error FROM wvs.tasks WHERE op = 'set_current' AND error->>'code' = 'WVS_NOT_FOUND'""",
    "a disabled workspace has no live task": """
        SELECT task_id FROM wvs.tasks JOIN wvs.workspaces USING (wsid)
        WHERE state = 'DISABLED' AND status IN ('PENDING', 'RUNNING', 'FAILED')""",
    "the current snapshot exists": """
        SELECT w.wsid FROM wvs.workspaces w JOIN wvs.snapshots s ON s.snapshot_id = w.current_snapshot_id
        WHERE s.deleted_at IS NOT NULL""",
}


def rows(stack):
    """Sentences that do not hold, with a few rows that show it."""
    for sentence, sql in ROWS.items():
        found = stack.query(sql)
        if found:
            yield f"{sentence}: not so for {len(found)}, such as {found[:3]}"


def trees(stack, mount, agents):
    """The same of the file system; what the agents of some workspaces wrote is to be whole in every snapshot."""
    for wsid, current, state in stack.query("SELECT wsid, current_path, state FROM wvs.workspaces"):
        root = f"{mount}/{wsid}"
        if state != "ACTIVE":
            continue
        link = f"{root}/current"
        if not os.path.isdir(link):
            yield f"{link} does not resolve"
        elif f"{root}/{os.readlink(link)}" != current:
            yield f"{link} is {os.readlink(link)}, the database says {current}"
        live = {row[0] for row in stack.query(
            f"SELECT snapshot_id FROM wvs.snapshots WHERE wsid = '{wsid}' AND deleted_at IS NULL")}
        names = os.listdir(f"{root}/snapshots")
        there = {name for name in names if os.path.isdir(f"{root}/snapshots/{name}") and not name.startswith(".")}
        for snapshot in live - there:
            yield f"snapshot {snapshot} has a row and no directory"
        for snapshot in there - live:
            yield f"snapshot {snapshot} has a directory and no row"
        for snapshot in live & there:
            if f"{snapshot}.json" not in names:
                yield f"snapshot {snapshot} has no manifest"
            if wsid not in agents or agents[wsid].may_be_torn(f"{root}/snapshots/{snapshot}.json"):
                continue
            report = subprocess.run(
                [f"{stack.dir}/bin/demo-agent", "verify", f"{root}/snapshots/{snapshot}"], capture_output=True, text=True)
            if report.returncode != 0:
                yield f"snapshot {snapshot} is torn: {report.stdout.splitlines()[:3]}"


def leftovers(mount):
    """What no attempt may leave behind for good."""
    for folder, folders, _files in os.walk(mount):
        depth = os.path.relpath(folder, mount).count(os.sep)
        for name in folders:
            if name.startswith((".staging-", ".trash-")):
                yield f"{folder}/{name}"
        if depth >= 1:
            folders.clear()
