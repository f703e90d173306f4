/// What `CatalogueTests` expects, in the catalogue's own words, shortened. Seeds 05.
enum Seeds {
    static let columns = [
        "audit.action text not null",
        "audit.actor jsonb not null",
        "audit.event_id bigint not null default nextval('audit_event_id_seq'::regclass)",
        "audit.payload jsonb not null",
        "audit.request_id text",
        "audit.task_id text",
        "audit.ts timestamp with time zone not null default now()",
        "audit.wsid text",
        "snapshots.created_at timestamp with time zone not null default now()",
        "snapshots.deleted_at timestamp with time zone",
        "snapshots.fs_path text not null",
        "snapshots.message text",
        "snapshots.snapshot_id text not null",
        "snapshots.wsid text not null",
        "tasks.attempt integer not null default 0",
        "tasks.cancel_requested boolean not null default false",
        "tasks.created_at timestamp with time zone not null default now()",
        "tasks.ended_at timestamp with time zone",
        "tasks.error jsonb",
        "tasks.idempotency_key text not null",
        "tasks.max_attempts integer not null default 5",
        "tasks.next_run_at timestamp with time zone not null default now()",
        "tasks.op text not null",
        "tasks.params jsonb not null default '{}'::jsonb",
        "tasks.request_hash text not null",
        "tasks.result jsonb",
        "tasks.started_at timestamp with time zone",
        "tasks.status text not null default 'PENDING'",
        "tasks.task_id text not null",
        "tasks.timeout_seconds integer not null default 300",
        "tasks.wsid text not null",
        "workspaces.created_at timestamp with time zone not null default now()",
        "workspaces.current_path text not null",
        "workspaces.current_snapshot_id text",
        "workspaces.owner text not null",
        "workspaces.root_path text not null",
        "workspaces.state text not null default 'PROVISIONING'",
        "workspaces.updated_at timestamp with time zone not null default now()",
        "workspaces.wsid text not null",
    ]

    static let constraints = [
        "audit audit_pkey PRIMARY KEY (event_id)",
        "snapshots snapshots_pkey PRIMARY KEY (snapshot_id)",
        "snapshots snapshots_wsid_fkey FOREIGN KEY (wsid) REFERENCES workspaces(wsid)",
        "tasks tasks_op_check CHECK ((op IN ('init_workspace', 'snapshot_create', 'snapshot_drop', 'set_current')))",
        "tasks tasks_pkey PRIMARY KEY (task_id)",
        "tasks tasks_status_check CHECK ((status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED', 'DEAD')))",
        "tasks tasks_wsid_fkey FOREIGN KEY (wsid) REFERENCES workspaces(wsid)",
        "workspaces fk_workspaces_current_snapshot FOREIGN KEY (current_snapshot_id) REFERENCES snapshots(snapshot_id)",
        "workspaces workspaces_pkey PRIMARY KEY (wsid)",
        "workspaces workspaces_root_path_key UNIQUE (root_path)",
        "workspaces workspaces_state_check CHECK ((state IN ('PROVISIONING', 'ACTIVE', 'INIT_FAILED', 'DISABLED')))",
        "workspaces workspaces_wsid_check CHECK ((wsid ~ '^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$'))",
    ]

    static let indexes = [
        "INDEX idx_audit_task ON audit (task_id) WHERE (task_id IS NOT NULL)",
        "INDEX idx_audit_wsid_ts ON audit (wsid, ts DESC)",
        "INDEX idx_snapshots_wsid_created ON snapshots (wsid, created_at DESC)",
        "INDEX idx_tasks_dequeue ON tasks (status, next_run_at, created_at) WHERE (status IN ('PENDING', 'FAILED'))",
        "INDEX idx_tasks_wsid ON tasks (wsid, created_at DESC)",
        "UNIQUE INDEX audit_pkey ON audit (event_id)",
        "UNIQUE INDEX snapshots_pkey ON snapshots (snapshot_id)",
        "UNIQUE INDEX tasks_pkey ON tasks (task_id)",
        "UNIQUE INDEX uq_snapshots_wsid_fspath ON snapshots (wsid, fs_path)",
        "UNIQUE INDEX uq_tasks_idempotency ON tasks (wsid, op, idempotency_key)",
        "UNIQUE INDEX workspaces_pkey ON workspaces (wsid)",
        "UNIQUE INDEX workspaces_root_path_key ON workspaces (root_path)",
    ]
}

/// Design 4.
enum Additions {
    static let columns = [
        "snapshots.purged_at timestamp with time zone",
        "tasks.fence bigint",
        "tasks.lease_expires_at timestamp with time zone",
        "tasks.lease_owner text",
        "tasks.progress jsonb",
        "tasks.request_id text",
        "workspaces.fence_seq bigint not null default 0",
        "workspaces.gid integer",
        "workspaces.uid integer",
    ]

    static let constraints = [
        "workspaces workspaces_gid_check CHECK ((gid >= 0))",
        "workspaces workspaces_uid_check CHECK ((uid >= 0))",
    ]

    static let indexes = [
        "INDEX idx_audit_list ON audit (ts, event_id)",
        "INDEX idx_audit_list_action ON audit (action, ts, event_id)",
        "INDEX idx_audit_list_wsid ON audit (wsid, ts, event_id)",
        "INDEX idx_snapshots_list ON snapshots (wsid, created_at, snapshot_id) WHERE (deleted_at IS NULL)",
        "INDEX idx_snapshots_unpurged ON snapshots (deleted_at) WHERE ((deleted_at IS NOT NULL) AND (purged_at IS NULL))",
        "INDEX idx_tasks_claim ON tasks (created_at, task_id) WHERE (status IN ('PENDING', 'FAILED'))",
        "INDEX idx_tasks_lease ON tasks (lease_expires_at) WHERE (status = 'RUNNING')",
        "INDEX idx_tasks_list ON tasks (created_at, task_id)",
        "INDEX idx_tasks_list_op ON tasks (op, created_at, task_id)",
        "INDEX idx_tasks_list_status ON tasks (status, created_at, task_id)",
        "INDEX idx_tasks_list_wsid ON tasks (wsid, created_at, task_id)",
        "INDEX idx_tasks_unfinished ON tasks (wsid, created_at, task_id) WHERE (status IN ('PENDING', 'RUNNING', 'FAILED'))",
        "INDEX idx_workspaces_list ON workspaces (created_at, wsid)",
        "UNIQUE INDEX uq_tasks_running ON tasks (wsid) WHERE (status = 'RUNNING')",
    ]
}
