-- Lists are newest first with a cursor over (created_at, id). One index for each filter, read backwards.

CREATE INDEX idx_workspaces_list ON wvs.workspaces(created_at, wsid);

CREATE INDEX idx_snapshots_list ON wvs.snapshots(wsid, created_at, snapshot_id) WHERE deleted_at IS NULL;

CREATE INDEX idx_tasks_list ON wvs.tasks(created_at, task_id);
CREATE INDEX idx_tasks_list_wsid ON wvs.tasks(wsid, created_at, task_id);
CREATE INDEX idx_tasks_list_status ON wvs.tasks(status, created_at, task_id);
CREATE INDEX idx_tasks_list_op ON wvs.tasks(op, created_at, task_id);

CREATE INDEX idx_audit_list ON wvs.audit(ts, event_id);
CREATE INDEX idx_audit_list_wsid ON wvs.audit(wsid, ts, event_id);
-- By task: idx_audit_task, and a sort of the few rows that a task has.
CREATE INDEX idx_audit_list_action ON wvs.audit(action, ts, event_id);
