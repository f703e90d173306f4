-- What the task engine needs beside the initial schema.

ALTER TABLE wvs.workspaces
  ADD COLUMN fence_seq BIGINT NOT NULL DEFAULT 0,  -- the highest fence handed out for this workspace
  ADD COLUMN uid       INT CHECK (uid >= 0),       -- owner of the live tree; NULL: the executor's default
  ADD COLUMN gid       INT CHECK (gid >= 0);

ALTER TABLE wvs.tasks
  ADD COLUMN request_id       TEXT,         -- of the request that made the task
  ADD COLUMN fence            BIGINT,       -- of the present or last attempt
  ADD COLUMN lease_owner      TEXT,         -- the worker that runs it
  ADD COLUMN lease_expires_at TIMESTAMPTZ,  -- from then on anybody may take it over
  ADD COLUMN progress         JSONB;

ALTER TABLE wvs.snapshots
  ADD COLUMN purged_at TIMESTAMPTZ;         -- its directory is gone

-- The database itself refuses two running tasks of one workspace.
CREATE UNIQUE INDEX uq_tasks_running ON wvs.tasks(wsid) WHERE status = 'RUNNING';

-- Claim: the oldest first, without sorting the backlog.
CREATE INDEX idx_tasks_claim ON wvs.tasks(created_at, task_id) WHERE status IN ('PENDING', 'FAILED');

-- Order within a workspace: whether anything earlier is unfinished; disable and drop ask the same.
CREATE INDEX idx_tasks_unfinished ON wvs.tasks(wsid, created_at, task_id)
  WHERE status IN ('PENDING', 'RUNNING', 'FAILED');

-- Reap: whose lease has ended.
CREATE INDEX idx_tasks_lease ON wvs.tasks(lease_expires_at) WHERE status = 'RUNNING';

-- Dropped snapshots whose directory is still to be removed.
CREATE INDEX idx_snapshots_unpurged ON wvs.snapshots(deleted_at)
  WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
