-- What wvs-api and wvs-worker send for one task when each is alone: enqueue, claim, finish. For pgbench -M prepared.
\set ws random(0, 999)
\set a random(1, 1000000000)
\set b random(1, 1000000000)
SELECT 'ws-' || :ws AS wsid, 'k-' || :client_id || '-' || :a || '-' || :b AS key \gset

BEGIN;
SELECT t.task_id FROM wvs.tasks t WHERE wsid = :wsid AND op = 'snapshot_create' AND idempotency_key = :key;
SELECT wsid, owner, state, root_path, current_path, current_snapshot_id, fence_seq, created_at, updated_at
FROM wvs.workspaces WHERE wsid = :wsid FOR SHARE;
WITH t AS (
    INSERT INTO wvs.tasks AS t (task_id, wsid, op, idempotency_key, request_hash, request_id, params)
    VALUES (:key, :wsid, 'snapshot_create', :key, '', :key, jsonb_build_object('snapshot_id', :key::text, 'message', NULL))
    ON CONFLICT (wsid, op, idempotency_key) DO NOTHING RETURNING t.task_id, t.status, t.created_at, t.params
), event AS (
    INSERT INTO wvs.audit (wsid, actor, action, request_id, task_id, payload)
    SELECT :wsid, '{"type": "anonymous", "addr": "127.0.0.1"}'::jsonb, 'workspace.snapshot_create', :key, :key,
           '{"action": "workspace.snapshot_create", "before": null, "after": {"status": "PENDING"}, "error": null}'::jsonb
    WHERE EXISTS (SELECT FROM t)
) SELECT * FROM t;
COMMIT;

BEGIN;
WITH oldest AS MATERIALIZED (
    SELECT task_id, wsid, status, next_run_at, attempt, max_attempts FROM wvs.tasks
    WHERE status IN ('PENDING', 'FAILED') ORDER BY created_at, task_id LIMIT 18
), head AS MATERIALIZED (
    SELECT t.task_id FROM oldest t
    WHERE t.status IN ('PENDING', 'FAILED') AND t.next_run_at <= now() AND t.attempt < t.max_attempts
      AND t.task_id = (SELECT e.task_id FROM wvs.tasks e
                       WHERE e.wsid = t.wsid AND e.status IN ('PENDING', 'RUNNING', 'FAILED')
                       ORDER BY e.created_at, e.task_id LIMIT 1)
    LIMIT 5
), candidate AS MATERIALIZED (
    SELECT t.task_id, (SELECT count(*) FROM oldest) = 18 AS has_more
    FROM head JOIN wvs.tasks t ON t.task_id = head.task_id JOIN wvs.workspaces w ON w.wsid = t.wsid
    WHERE t.status IN ('PENDING', 'FAILED') AND t.next_run_at <= now() AND t.attempt < t.max_attempts
      AND NOT EXISTS (SELECT FROM wvs.tasks r WHERE r.wsid = t.wsid AND r.status = 'RUNNING')
    ORDER BY t.created_at, t.task_id LIMIT 1 FOR UPDATE OF t SKIP LOCKED FOR NO KEY UPDATE OF w SKIP LOCKED
) SELECT coalesce((SELECT task_id FROM candidate), '') AS task \gset
WITH runnable AS (
    SELECT t.task_id, t.wsid, t.status FROM wvs.tasks t
    WHERE t.task_id = ANY(ARRAY[:task]::text[])
      AND t.task_id = (SELECT e.task_id FROM wvs.tasks e
                       WHERE e.wsid = t.wsid AND e.status IN ('PENDING', 'RUNNING', 'FAILED')
                       ORDER BY e.created_at, e.task_id LIMIT 1)
      AND NOT EXISTS (SELECT FROM wvs.tasks r WHERE r.wsid = t.wsid AND r.status = 'RUNNING')
), fenced AS (
    UPDATE wvs.workspaces w SET fence_seq = w.fence_seq + 1 FROM runnable
    WHERE w.wsid = runnable.wsid RETURNING w.wsid, w.fence_seq
), claimed AS (
    UPDATE wvs.tasks t
    SET status = 'RUNNING', attempt = t.attempt + 1, started_at = now(), progress = NULL, fence = fenced.fence_seq,
        lease_owner = 'pgbench', lease_expires_at = now() + interval '15 s'
    FROM runnable JOIN fenced USING (wsid) WHERE t.task_id = runnable.task_id RETURNING t.task_id, t.wsid, t.fence
) SELECT coalesce((SELECT wsid FROM claimed), '') AS claimed, coalesce((SELECT fence FROM claimed), 0) AS fence \gset
INSERT INTO wvs.audit (wsid, actor, action, request_id, task_id, payload)
VALUES (:claimed, '{"type": "worker", "id": "pgbench"}', 'workspace.snapshot_create', :task, :task,
        '{"action": "workspace.snapshot_create", "before": {"status": "PENDING"}, "after": {"status": "RUNNING"}, "error": null}');
COMMIT;

BEGIN;
SELECT FROM pg_advisory_xact_lock(hashtextextended(:claimed, 0));
SELECT t.task_id, t.wsid, t.params, t.attempt FROM wvs.tasks t
WHERE task_id = :task AND status = 'RUNNING' AND fence = :fence FOR UPDATE;
UPDATE wvs.tasks t SET status = 'SUCCEEDED', ended_at = now(), progress = NULL, lease_owner = NULL, lease_expires_at = NULL,
    result = '{"engine": "null", "entries": 0, "receipt": {"window_ms": 0, "consistency": "quiesced", "acknowledgements": []}}'
WHERE task_id = :task AND status = 'RUNNING' AND fence = :fence RETURNING t.task_id, t.status, t.ended_at;
INSERT INTO wvs.snapshots (snapshot_id, wsid, fs_path)
SELECT :task, :claimed, '/ws/' || :claimed || '/snapshots/' || :task WHERE :claimed <> '' ON CONFLICT (snapshot_id) DO NOTHING;
INSERT INTO wvs.audit (wsid, actor, action, request_id, task_id, payload)
VALUES (:claimed, '{"type": "worker", "id": "pgbench"}', 'workspace.snapshot_create', :task, :task,
        '{"action": "workspace.snapshot_create", "before": {"status": "RUNNING"}, "after": {"status": "SUCCEEDED"}, "error": null}');
COMMIT;
