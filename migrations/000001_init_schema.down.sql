ALTER TABLE wvs.workspaces DROP CONSTRAINT fk_workspaces_current_snapshot;
DROP TABLE wvs.audit;
DROP TABLE wvs.tasks;
DROP TABLE wvs.snapshots;
DROP TABLE wvs.workspaces;
-- Without CASCADE: what somebody else put there stops it.
DROP SCHEMA wvs;
