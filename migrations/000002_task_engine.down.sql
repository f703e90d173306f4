DROP INDEX wvs.idx_snapshots_unpurged;
DROP INDEX wvs.idx_tasks_lease;
DROP INDEX wvs.idx_tasks_unfinished;
DROP INDEX wvs.idx_tasks_claim;
DROP INDEX wvs.uq_tasks_running;

ALTER TABLE wvs.snapshots
  DROP COLUMN purged_at;

ALTER TABLE wvs.tasks
  DROP COLUMN progress,
  DROP COLUMN lease_expires_at,
  DROP COLUMN lease_owner,
  DROP COLUMN fence,
  DROP COLUMN request_id;

ALTER TABLE wvs.workspaces
  DROP COLUMN gid,
  DROP COLUMN uid,
  DROP COLUMN fence_seq;
