// Generated from docs/openapi.yaml by scripts/generate.sh.
// swift-format-ignore-file

/// The contract of the API (design 3), as /openapi.yaml serves it.
enum OpenAPIDocument {
    static let text = ##"""
openapi: 3.1.0
jsonSchemaDialect: https://json-schema.org/draft/2020-12/schema
info:
  title: Workspace Versioning Service
  version: "1"
  summary: Versioned working directories for AI agents.
  license:
    name: Apache-2.0
    identifier: Apache-2.0
  description: |
    Snapshot a workspace, set its current tree to any snapshot (a rollback), drop a snapshot.

    **Writes are tasks.** What touches the file system answers `202` with a `task_id`; the work is done by a worker. Ask
    `GET /v1/tasks/{task_id}` with `Prefer: wait=30` until the task has ended.

    **Idempotency.** Each of these writes needs an `Idempotency-Key`. The same key with the same request answers the task that was
    made for it first, as it is now, with `Idempotency-Replayed: true`, whatever has happened to the workspace since; with another
    request it is refused (`WVS_CONFLICT_IDEMPOTENT_MISMATCH`). Keys are separate for each workspace and operation. A request is the
    same if its method, its decoded path and its canonical body (RFC 8785) are; no body is not the same as `{}`.

    **Order of checks**: syntax, key, replay, state of the workspace, the rest.

    **Errors** are `application/problem+json` (RFC 9457); `code` tells them apart.

    **Lists** are newest first. `next_cursor`, and the header `Link` with `rel="next"`, lead to the next page; it is `null` on the last.
    Rows that are added meanwhile neither shift nor repeat others.

    **Everywhere**: JSON in UTF-8; times are RFC 3339 in UTC with microseconds. `HEAD` answers as `GET` does, without the body;
    `OPTIONS` answers `204` with `Allow`. `X-Request-Id` is on every response. Query parameters that are not known are ignored, known
    ones that appear twice are refused; so are members of a body that are not known, or appear twice. Limits: 32 KiB of headers, 1 MiB
    of body, 64 levels of nesting, 10 seconds for a request to arrive. A response to a request with a chunked body closes its
    connection.
servers:
  - url: http://127.0.0.1:8080
    description: where `wvs-api` listens by default
tags:
  - name: workspaces
    description: a versioned working directory
  - name: snapshots
    description: read-only clones of a workspace's tree
  - name: current
    description: what an agent sees of its workspace
  - name: tasks
    description: the work that a write was turned into
  - name: audit
    description: who asked for what, and what came of it
  - name: operation
    description: for probes, scrapers and generators
security: []

paths:
  /v1/workspaces:
    post:
      operationId: createWorkspace
      tags: [workspaces]
      summary: Create a workspace
      description: >-
        Workspace, task and audit row are made by one transaction. The workspace is PROVISIONING until its task has succeeded (ACTIVE),
        died or been canceled (INIT_FAILED).
      parameters:
        - $ref: "#/components/parameters/IdempotencyKey"
        - $ref: "#/components/parameters/RequestId"
        - $ref: "#/components/parameters/TraceParent"
      requestBody:
        required: true
        content:
          application/json:
            schema:
              $ref: "#/components/schemas/NewWorkspace"
            examples:
              simple:
                value: {wsid: agent-7, owner: alice}
              withOwner:
                summary: the live tree belongs to uid 1000, gid 100
                value: {wsid: agent-8, owner: alice, uid: 1000, gid: 100}
      responses:
        "202":
          description: Accepted, or accepted before.
          headers:
            Location: {$ref: "#/components/headers/Location"}
            Retry-After: {$ref: "#/components/headers/RetryAfter"}
            Idempotency-Replayed: {$ref: "#/components/headers/IdempotencyReplayed"}
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                $ref: "#/components/schemas/CreatedWorkspace"
              examples:
                accepted:
                  value:
                    wsid: agent-7
                    state: PROVISIONING
                    init_task_id: 019c6a3e-7d10-7c35-9d2a-6f1f3f0e8a11
          links:
            task:
              operationId: getTask
              parameters: {task_id: $response.body#/init_task_id, Prefer: wait=10}
            cancel:
              operationId: cancelTask
              parameters: {task_id: $response.body#/init_task_id}
            workspace:
              operationId: getWorkspace
              parameters: {wsid: $response.body#/wsid}
            current:
              operationId: getCurrent
              parameters: {wsid: $response.body#/wsid}
            snapshot:
              operationId: createSnapshot
              parameters: {wsid: $response.body#/wsid}
            snapshots:
              operationId: listSnapshots
              parameters: {wsid: $response.body#/wsid}
            retry:
              operationId: retryInit
              parameters: {wsid: $response.body#/wsid}
            disable:
              operationId: disableWorkspace
              parameters: {wsid: $response.body#/wsid}
        "400": {$ref: "#/components/responses/BadRequest"}
        "409":
          description: A workspace of this name exists, or the key belongs to another request.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/problem+json:
              schema: {$ref: "#/components/schemas/Problem"}
              examples:
                exists:
                  value:
                    type: about:blank
                    title: Conflict
                    status: 409
                    detail: workspace agent-7 exists already
                    code: WVS_CONFLICT_EXISTS
                    request_id: req-1
                mismatch:
                  value:
                    type: about:blank
                    title: Conflict
                    status: 409
                    detail: >-
                      this Idempotency-Key belongs to another request, that of task 019c6a3e-7d10-7c35-9d2a-6f1f3f0e8a11
                    code: WVS_CONFLICT_IDEMPOTENT_MISMATCH
                    request_id: req-1
                    task_id: 019c6a3e-7d10-7c35-9d2a-6f1f3f0e8a11
        "413": {$ref: "#/components/responses/TooLarge"}
        "415": {$ref: "#/components/responses/UnsupportedMediaType"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}
    get:
      operationId: listWorkspaces
      tags: [workspaces]
      summary: List workspaces
      parameters:
        - $ref: "#/components/parameters/Cursor"
        - $ref: "#/components/parameters/Limit"
        - $ref: "#/components/parameters/RequestId"
      responses:
        "200":
          description: A page, newest first.
          headers:
            Link: {$ref: "#/components/headers/Link"}
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [items, next_cursor]
                properties:
                  items:
                    type: array
                    maxItems: 100
                    items: {$ref: "#/components/schemas/Workspace"}
                  next_cursor: {$ref: "#/components/schemas/NextCursor"}
              examples:
                last:
                  summary: the only page
                  value:
                    items:
                      - wsid: agent-7
                        owner: alice
                        state: ACTIVE
                        root_path: /ws/agent-7
                        current_path: /ws/agent-7/live/019c6a3e-7d0f-7b61-8f27-3a4cf1a2f6d4
                        current_snapshot_id: null
                        uid: null
                        gid: null
                        created_at: "2026-02-17T12:00:00.123456Z"
                        updated_at: "2026-02-17T12:00:00.234567Z"
                    next_cursor: null
        "400": {$ref: "#/components/responses/BadRequest"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/workspaces/{wsid}:
    parameters:
      - $ref: "#/components/parameters/Wsid"
      - $ref: "#/components/parameters/RequestId"
    get:
      operationId: getWorkspace
      tags: [workspaces]
      summary: Show a workspace
      responses:
        "200":
          description: The workspace.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Workspace"}
              examples:
                active:
                  value:
                    wsid: agent-7
                    owner: alice
                    state: ACTIVE
                    root_path: /ws/agent-7
                    current_path: /ws/agent-7/live/019c6a3e-7d0f-7b61-8f27-3a4cf1a2f6d4
                    current_snapshot_id: null
                    uid: 1000
                    gid: 1000
                    created_at: "2026-02-17T12:00:00.123456Z"
                    updated_at: "2026-02-17T12:00:00.234567Z"
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}
    delete:
      operationId: disableWorkspace
      tags: [workspaces]
      summary: Disable a workspace
      description: >-
        Done when it is answered; again answers the same. From then on every write to the workspace is refused with WVS_GONE, reading goes
        on, and its files stay where they are. A body is not needed; an empty object will do.
      responses:
        "200":
          description: The workspace is disabled.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [wsid, state, updated_at]
                properties:
                  wsid: {$ref: "#/components/schemas/Wsid"}
                  state: {const: DISABLED}
                  updated_at: {$ref: "#/components/schemas/Time"}
              examples:
                disabled:
                  value: {wsid: agent-7, state: DISABLED, updated_at: "2026-02-17T12:34:56.000001Z"}
          links:
            workspace:
              operationId: getWorkspace
              parameters: {wsid: $response.body#/wsid}
            again:
              operationId: disableWorkspace
              parameters: {wsid: $response.body#/wsid}
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "409":
          description: A task of the workspace has not ended (WVS_CONFLICT_LOCKED); `task_id` names it.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/problem+json:
              schema: {$ref: "#/components/schemas/Problem"}
              examples:
                unfinished:
                  value:
                    type: about:blank
                    title: Conflict
                    status: 409
                    detail: task 019c6a3e-7d10-7c35-9d2a-6f1f3f0e8a11 of workspace agent-7 has not ended
                    code: WVS_CONFLICT_LOCKED
                    request_id: req-1
                    task_id: 019c6a3e-7d10-7c35-9d2a-6f1f3f0e8a11
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/workspaces/{wsid}/retry-init:
    parameters:
      - $ref: "#/components/parameters/Wsid"
      - $ref: "#/components/parameters/RequestId"
    post:
      operationId: retryInit
      tags: [workspaces]
      summary: Try again to initialise a workspace
      description: >-
        Needs the state INIT_FAILED, and leads back to PROVISIONING. A body is not needed; an empty object will do. The key must not be that of
        the creation, which is of the same operation.
      parameters:
        - $ref: "#/components/parameters/IdempotencyKey"
        - $ref: "#/components/parameters/TraceParent"
      responses:
        "202": {$ref: "#/components/responses/Accepted"}
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "409": {$ref: "#/components/responses/Mismatch"}
        "410": {$ref: "#/components/responses/Gone"}
        "412": {$ref: "#/components/responses/PreconditionFailed"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/workspaces/{wsid}/snapshots:
    parameters:
      - $ref: "#/components/parameters/Wsid"
      - $ref: "#/components/parameters/RequestId"
    post:
      operationId: createSnapshot
      tags: [snapshots]
      summary: Snapshot the current tree
      description: >-
        The agent is frozen while the tree is cloned. The snapshot's id is fixed here: it is `params.snapshot_id` of the task, and
        `result.snapshot_id` once it exists.
      parameters:
        - $ref: "#/components/parameters/IdempotencyKey"
        - $ref: "#/components/parameters/TraceParent"
      requestBody:
        required: false
        content:
          application/json:
            schema: {$ref: "#/components/schemas/NewSnapshot"}
            examples:
              message:
                value: {message: before the experiment}
              nothing:
                value: {}
      responses:
        "202": {$ref: "#/components/responses/Accepted"}
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "409": {$ref: "#/components/responses/Mismatch"}
        "410": {$ref: "#/components/responses/Gone"}
        "412": {$ref: "#/components/responses/PreconditionFailed"}
        "413": {$ref: "#/components/responses/TooLarge"}
        "415": {$ref: "#/components/responses/UnsupportedMediaType"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}
    get:
      operationId: listSnapshots
      tags: [snapshots]
      summary: List the snapshots of a workspace
      description: Those that were dropped are not shown.
      parameters:
        - $ref: "#/components/parameters/Cursor"
        - $ref: "#/components/parameters/Limit"
      responses:
        "200":
          description: A page, newest first.
          headers:
            Link: {$ref: "#/components/headers/Link"}
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [items, next_cursor]
                properties:
                  items:
                    type: array
                    maxItems: 100
                    items: {$ref: "#/components/schemas/Snapshot"}
                  next_cursor: {$ref: "#/components/schemas/NextCursor"}
              examples:
                first:
                  summary: there are more
                  value:
                    items:
                      - snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                        message: before the experiment
                        fs_path: /ws/agent-7/snapshots/019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                        created_at: "2026-02-17T12:02:00.000001Z"
                    next_cursor: "313736383635353432302e303139633661"
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/workspaces/{wsid}/snapshots/{snapshot_id}:
    parameters:
      - $ref: "#/components/parameters/Wsid"
      - $ref: "#/components/parameters/SnapshotId"
      - $ref: "#/components/parameters/RequestId"
    get:
      operationId: getSnapshot
      tags: [snapshots]
      summary: Show a snapshot
      responses:
        "200":
          description: The snapshot.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Snapshot"}
              examples:
                snapshot:
                  value:
                    snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                    message: null
                    fs_path: /ws/agent-7/snapshots/019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                    created_at: "2026-02-17T12:02:00.000001Z"
          links:
            setCurrent:
              operationId: setCurrent
              parameters:
                wsid: $request.path.wsid
              requestBody:
                snapshot_id: $response.body#/snapshot_id
            drop:
              operationId: dropSnapshot
              parameters:
                wsid: $request.path.wsid
                snapshot_id: $response.body#/snapshot_id
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}
    delete:
      operationId: dropSnapshot
      tags: [snapshots]
      summary: Drop a snapshot
      description: >-
        Refused while the snapshot is current, or an unfinished task is about to make it so. Once the task has succeeded the snapshot does not
        exist for any client. A body is not needed; an empty object will do.
      parameters:
        - $ref: "#/components/parameters/IdempotencyKey"
        - $ref: "#/components/parameters/TraceParent"
      responses:
        "202": {$ref: "#/components/responses/Accepted"}
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "409":
          description: The snapshot is in use, or the key belongs to another request.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/problem+json:
              schema: {$ref: "#/components/schemas/Problem"}
              examples:
                current:
                  value:
                    type: about:blank
                    title: Conflict
                    status: 409
                    detail: snapshot 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f is the current one of agent-7
                    code: WVS_CONFLICT_SNAPSHOT_IN_USE
                    request_id: req-1
        "410": {$ref: "#/components/responses/Gone"}
        "412": {$ref: "#/components/responses/PreconditionFailed"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/workspaces/{wsid}/current:
    parameters:
      - $ref: "#/components/parameters/Wsid"
      - $ref: "#/components/parameters/RequestId"
    get:
      operationId: getCurrent
      tags: [current]
      summary: Show what is current
      responses:
        "200":
          description: Where `current` leads, and which snapshot it was made from.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [data]
                properties:
                  data: {$ref: "#/components/schemas/Current"}
              examples:
                rolledBack:
                  value:
                    data:
                      wsid: agent-7
                      current_path: /ws/agent-7/live/019c6a41-0a0b-7c0d-8e0f-1a2b3c4d5e6f
                      current_snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                      updated_at: "2026-02-17T12:05:00.000001Z"
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/workspaces/{wsid}/current:set:
    parameters:
      - $ref: "#/components/parameters/Wsid"
      - $ref: "#/components/parameters/RequestId"
    post:
      operationId: setCurrent
      tags: [current]
      summary: Make a snapshot current
      description: >-
        The snapshot is cloned into a new live tree and `current` switched to it, atomically. Where the snapshot is current already, the task
        succeeds with `result.noop` and the agent's changes stay; with `discard` it clones all the same, which throws them away.
      parameters:
        - $ref: "#/components/parameters/IdempotencyKey"
        - $ref: "#/components/parameters/TraceParent"
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/SetCurrent"}
            examples:
              rollback:
                value: {snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f}
              discard:
                value: {snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f, discard: true}
      responses:
        "202": {$ref: "#/components/responses/Accepted"}
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "409":
          description: An unfinished task is about to drop the snapshot, or the key belongs to another request.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/problem+json:
              schema: {$ref: "#/components/schemas/Problem"}
              examples:
                dropped:
                  value:
                    type: about:blank
                    title: Conflict
                    status: 409
                    detail: >-
                      task 019c6a40-1f5f-7aaa-bbbb-0123456789ab is about to drop snapshot 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                    code: WVS_CONFLICT_SNAPSHOT_IN_USE
                    request_id: req-1
                    task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
        "410": {$ref: "#/components/responses/Gone"}
        "412": {$ref: "#/components/responses/PreconditionFailed"}
        "413": {$ref: "#/components/responses/TooLarge"}
        "415": {$ref: "#/components/responses/UnsupportedMediaType"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/tasks:
    get:
      operationId: listTasks
      tags: [tasks]
      summary: List tasks
      parameters:
        - $ref: "#/components/parameters/Cursor"
        - $ref: "#/components/parameters/Limit"
        - name: wsid
          in: query
          description: only those of this workspace
          schema: {$ref: "#/components/schemas/Wsid"}
        - name: status
          in: query
          description: only those in this state
          schema: {$ref: "#/components/schemas/TaskStatus"}
        - name: op
          in: query
          description: only those of this operation
          schema: {$ref: "#/components/schemas/TaskOp"}
        - $ref: "#/components/parameters/RequestId"
      responses:
        "200":
          description: A page, newest first.
          headers:
            Link: {$ref: "#/components/headers/Link"}
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [items, next_cursor]
                properties:
                  items:
                    type: array
                    maxItems: 100
                    items: {$ref: "#/components/schemas/Task"}
                  next_cursor: {$ref: "#/components/schemas/NextCursor"}
              examples:
                none:
                  value: {items: [], next_cursor: null}
        "400": {$ref: "#/components/responses/BadRequest"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/tasks/{task_id}:
    parameters:
      - $ref: "#/components/parameters/TaskId"
      - $ref: "#/components/parameters/RequestId"
    get:
      operationId: getTask
      tags: [tasks]
      summary: Show a task, or wait for its end
      parameters:
        - name: Prefer
          in: header
          description: >-
            `wait=N` (RFC 7240): answer when the task has ended, or after N seconds, 60 at most. What can not be read is ignored.
          schema: {type: string}
          example: wait=30
      responses:
        "200":
          description: The task.
          headers:
            Preference-Applied:
              description: "`wait=N`, where the request preferred to wait"
              schema: {type: string, pattern: "^wait=[0-9]+$"}
            Vary:
              required: true
              description: always `Prefer`
              schema: {const: Prefer}
            Cache-Control:
              required: true
              description: always `no-store`
              schema: {const: no-store}
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Task"}
              examples:
                succeeded:
                  value:
                    task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
                    wsid: agent-7
                    op: snapshot_create
                    status: SUCCEEDED
                    attempt: 1
                    max_attempts: 5
                    created_at: "2026-02-17T12:02:00.000001Z"
                    started_at: "2026-02-17T12:02:00.001501Z"
                    ended_at: "2026-02-17T12:02:00.043210Z"
                    next_run_at: "2026-02-17T12:02:00.000001Z"
                    timeout_seconds: 300
                    cancel_requested: false
                    request_id: req-1
                    params:
                      snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                      message: before the experiment
                    progress: null
                    result:
                      snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                      fs_path: /ws/agent-7/snapshots/019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
                      engine: reflink
                      entries: 1042
                      receipt: {consistency: quiesced, window_ms: 12.5, acknowledgements: []}
                    error: null
                waitsForRetry:
                  value:
                    task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
                    wsid: agent-7
                    op: snapshot_create
                    status: FAILED
                    attempt: 1
                    max_attempts: 5
                    created_at: "2026-02-17T12:02:00.000001Z"
                    started_at: "2026-02-17T12:02:00.001501Z"
                    ended_at: null
                    next_run_at: "2026-02-17T12:02:35.001501Z"
                    timeout_seconds: 300
                    cancel_requested: false
                    request_id: req-1
                    params: {snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f, message: null}
                    progress: null
                    result: null
                    error:
                      code: QUIESCE_TIMEOUT
                      message: no sidecar ever attached to this workspace
                      retryable: true
                      attempt: 1
                      details: {}
          links:
            cancel:
              operationId: cancelTask
              parameters: {task_id: $response.body#/task_id}
            workspace:
              operationId: getWorkspace
              parameters: {wsid: $response.body#/wsid}
            audit:
              operationId: listAudit
              parameters: {query.task_id: $response.body#/task_id}
            snapshot:
              operationId: getSnapshot
              parameters:
                wsid: $response.body#/wsid
                snapshot_id: $response.body#/params/snapshot_id
            drop:
              operationId: dropSnapshot
              parameters:
                wsid: $response.body#/wsid
                snapshot_id: $response.body#/params/snapshot_id
            setCurrent:
              operationId: setCurrent
              parameters:
                wsid: $response.body#/wsid
              requestBody:
                snapshot_id: $response.body#/params/snapshot_id
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/tasks/{task_id}:cancel:
    parameters:
      - $ref: "#/components/parameters/TaskId"
      - $ref: "#/components/parameters/RequestId"
    post:
      operationId: cancelTask
      tags: [tasks]
      summary: Cancel a task
      description: >-
        A PENDING task, or a FAILED one that waits for its retry, is CANCELED at once. A RUNNING one goes on as RUNNING with
        `cancel_requested` until its worker has stopped it; what is published by then ends SUCCEEDED all the same. One that has ended is
        refused, except in a DISABLED workspace, where it is answered as it is. A body is not needed; an empty object will do.
      responses:
        "200":
          description: The task as it is then.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [task_id, status, cancel_requested]
                properties:
                  task_id: {$ref: "#/components/schemas/Uuid"}
                  status: {$ref: "#/components/schemas/TaskStatus"}
                  cancel_requested: {type: boolean}
              examples:
                waiting:
                  value: {task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab, status: CANCELED, cancel_requested: true}
                running:
                  value: {task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab, status: RUNNING, cancel_requested: true}
          links:
            task:
              operationId: getTask
              parameters: {task_id: $response.body#/task_id}
            again:
              operationId: cancelTask
              parameters: {task_id: $response.body#/task_id}
        "400": {$ref: "#/components/responses/BadRequest"}
        "404": {$ref: "#/components/responses/NotFound"}
        "409":
          description: The task has ended (WVS_CONFLICT_LOCKED).
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/problem+json:
              schema: {$ref: "#/components/schemas/Problem"}
              examples:
                ended:
                  value:
                    type: about:blank
                    title: Conflict
                    status: 409
                    detail: task 019c6a40-1f5f-7aaa-bbbb-0123456789ab has ended, it is SUCCEEDED
                    code: WVS_CONFLICT_LOCKED
                    request_id: req-1
                    task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /v1/audit:
    get:
      operationId: listAudit
      tags: [audit]
      summary: Read the audit trail
      description: One event for each accepted request, each start of a task and its end, written by the transaction that it describes.
      parameters:
        - $ref: "#/components/parameters/Cursor"
        - $ref: "#/components/parameters/Limit"
        - name: wsid
          in: query
          description: only what concerns this workspace
          schema: {$ref: "#/components/schemas/Wsid"}
        - name: task_id
          in: query
          description: only what concerns this task
          schema: {$ref: "#/components/schemas/Uuid"}
        - name: action
          in: query
          description: only events of this kind
          schema: {$ref: "#/components/schemas/AuditAction"}
        - $ref: "#/components/parameters/RequestId"
      responses:
        "200":
          description: A page, newest first.
          headers:
            Link: {$ref: "#/components/headers/Link"}
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [items, next_cursor]
                properties:
                  items:
                    type: array
                    maxItems: 100
                    items: {$ref: "#/components/schemas/AuditEvent"}
                  next_cursor: {$ref: "#/components/schemas/NextCursor"}
              examples:
                accepted:
                  value:
                    items:
                      - event_id: 42
                        ts: "2026-02-17T12:02:00.000001Z"
                        wsid: agent-7
                        actor: {type: anonymous, addr: 127.0.0.1}
                        action: workspace.snapshot_create
                        request_id: req-1
                        task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
                        payload:
                          action: workspace.snapshot_create
                          wsid: agent-7
                          request_id: req-1
                          task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
                          before: null
                          after:
                            status: PENDING
                            params: {snapshot_id: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f, message: null}
                          error: null
                    next_cursor: null
        "400": {$ref: "#/components/responses/BadRequest"}
        "503": {$ref: "#/components/responses/Unavailable"}
        default: {$ref: "#/components/responses/Error"}

  /healthz:
    get:
      operationId: health
      tags: [operation]
      summary: Whether the process answers
      parameters:
        - $ref: "#/components/parameters/RequestId"
      responses:
        "200":
          description: It does.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [status]
                properties:
                  status: {const: ok}
              examples:
                ok: {value: {status: ok}}
        default: {$ref: "#/components/responses/Error"}

  /readyz:
    get:
      operationId: readiness
      tags: [operation]
      summary: Whether the service can work
      description: It needs the database, and the schema version that it was built for.
      parameters:
        - $ref: "#/components/parameters/RequestId"
      responses:
        "200":
          description: It can.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Readiness"}
              examples:
                ready: {value: {status: ready, checks: {database: ok, schema: ok}}}
        "503":
          description: It can not, and why.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Readiness"}
              examples:
                unavailable:
                  value:
                    status: unavailable
                    checks: {database: "postgres: connection to server failed"}
        default: {$ref: "#/components/responses/Error"}

  /metrics:
    get:
      operationId: metrics
      tags: [operation]
      summary: Metrics in the Prometheus text format 0.0.4
      parameters:
        - $ref: "#/components/parameters/RequestId"
      responses:
        "200":
          description: All metrics of the process.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            text/plain:
              schema: {type: string}
              examples:
                page:
                  value: |
                    # HELP wvs_active_requests HTTP requests being answered.
                    # TYPE wvs_active_requests gauge
                    wvs_active_requests 1
        default: {$ref: "#/components/responses/Error"}

  /openapi.yaml:
    get:
      operationId: document
      tags: [operation]
      summary: This document
      parameters:
        - $ref: "#/components/parameters/RequestId"
      responses:
        "200":
          description: OpenAPI 3.1.
          headers:
            X-Request-Id: {$ref: "#/components/headers/RequestId"}
          content:
            application/yaml:
              schema:
                type: object
                required: [openapi, info, paths]
              examples:
                beginning:
                  value:
                    openapi: 3.1.0
                    info: {title: Workspace Versioning Service, version: "1"}
                    paths: {}
        default: {$ref: "#/components/responses/Error"}

components:
  parameters:
    Wsid:
      name: wsid
      in: path
      required: true
      description: the workspace's name
      schema: {$ref: "#/components/schemas/Wsid"}
      example: agent-7
    SnapshotId:
      name: snapshot_id
      in: path
      required: true
      description: a snapshot of that workspace; one that was dropped, or belongs to another, is not found
      schema: {$ref: "#/components/schemas/Uuid"}
      example: 019c6a40-1f5e-7d7c-8a52-9b0a7d6c5e4f
    TaskId:
      name: task_id
      in: path
      required: true
      description: the task
      schema: {$ref: "#/components/schemas/Uuid"}
      example: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
    IdempotencyKey:
      name: Idempotency-Key
      in: header
      required: true
      description: >-
        The client's name for this request, visible ASCII. A string of RFC 8941 is decoded: `"abc"` and `abc` are one key.
      schema: {type: string, minLength: 1, maxLength: 255, pattern: "^[!#-~][!-~]*$"}
      example: snap-20260217-001
    RequestId:
      name: X-Request-Id
      in: header
      description: >-
        Under which the request is known in logs, audit and task: 1 to 128 visible ASCII characters. Without one, or with one that is not fit, the
        service makes one up.
      schema: {type: string}
      example: req-1
    TraceParent:
      name: traceparent
      in: header
      description: >-
        W3C Trace Context. It goes into the task's `params` and from there to the executor; all their log lines name the trace. What is
        malformed is ignored.
      schema: {type: string}
      example: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
    Cursor:
      name: cursor
      in: query
      description: >-
        `next_cursor` of the page before. Empty, or left out, is the first page. Opaque: the pattern is for generators of tests, not for
        clients, and may change.
      allowEmptyValue: true
      schema:
        type: string
        pattern: "^((3[0-9]){1,17}2e(3[0-9]){1,18})?$"
    Limit:
      name: limit
      in: query
      description: most items on a page
      schema: {type: integer, minimum: 1, maximum: 100, default: 20}

  headers:
    RequestId:
      description: under which the request is known in logs, audit and task
      required: true
      schema: {type: string, minLength: 1, maxLength: 128}
    Location:
      description: the task's path
      required: true
      schema: {type: string, pattern: "^/v1/tasks/[0-9a-f-]{36}$"}
    RetryAfter:
      description: seconds after which to ask for the first time
      required: true
      schema: {type: string, pattern: "^[0-9]+$"}
    IdempotencyReplayed:
      description: "`true`, where the request had been accepted before"
      schema: {const: "true"}
    Link:
      description: "`rel=\"next\"`, where there is a next page"
      schema: {type: string}

  responses:
    Accepted:
      description: Accepted, or accepted before.
      headers:
        Location: {$ref: "#/components/headers/Location"}
        Retry-After: {$ref: "#/components/headers/RetryAfter"}
        Idempotency-Replayed: {$ref: "#/components/headers/IdempotencyReplayed"}
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/json:
          schema:
            type: object
            additionalProperties: false
            required: [task_id, status]
            properties:
              task_id: {$ref: "#/components/schemas/Uuid"}
              status:
                description: PENDING, or where the request is a replay the task's present state
                $ref: "#/components/schemas/TaskStatus"
          examples:
            accepted:
              value: {task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab, status: PENDING}
      links:
        task:
          operationId: getTask
          parameters: {task_id: $response.body#/task_id, Prefer: wait=10}
        cancel:
          operationId: cancelTask
          parameters: {task_id: $response.body#/task_id}
    BadRequest:
      description: Something about the request can not be right; `detail` says what (WVS_BAD_REQUEST).
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            noKey:
              value:
                type: about:blank
                title: Bad Request
                status: 400
                detail: the Idempotency-Key header is missing
                code: WVS_BAD_REQUEST
                request_id: req-1
    NotFound:
      description: There is no such thing (WVS_NOT_FOUND).
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            workspace:
              value:
                type: about:blank
                title: Not Found
                status: 404
                detail: there is no workspace agent-7
                code: WVS_NOT_FOUND
                request_id: req-1
    Mismatch:
      description: The key belongs to another request (WVS_CONFLICT_IDEMPOTENT_MISMATCH); `task_id` is that request's.
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            mismatch:
              value:
                type: about:blank
                title: Conflict
                status: 409
                detail: this Idempotency-Key belongs to another request, that of task 019c6a40-1f5f-7aaa-bbbb-0123456789ab
                code: WVS_CONFLICT_IDEMPOTENT_MISMATCH
                request_id: req-1
                task_id: 019c6a40-1f5f-7aaa-bbbb-0123456789ab
    Gone:
      description: The workspace is disabled (WVS_GONE).
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            disabled:
              value:
                type: about:blank
                title: Gone
                status: 410
                detail: workspace agent-7 is disabled
                code: WVS_GONE
                request_id: req-1
    PreconditionFailed:
      description: The workspace is not in the state that this needs (WVS_PRECONDITION_FAILED).
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            provisioning:
              value:
                type: about:blank
                title: Precondition Failed
                status: 412
                detail: workspace agent-7 is PROVISIONING, not ACTIVE
                code: WVS_PRECONDITION_FAILED
                request_id: req-1
    TooLarge:
      description: The body is larger than 1 MiB (WVS_BAD_REQUEST).
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            tooLarge:
              value:
                type: about:blank
                title: Content Too Large
                status: 413
                detail: the body is larger than 1048576 bytes
                code: WVS_BAD_REQUEST
                request_id: req-1
    UnsupportedMediaType:
      description: The body is not application/json (WVS_BAD_REQUEST).
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            text:
              value:
                type: about:blank
                title: Unsupported Media Type
                status: 415
                detail: the body must be application/json
                code: WVS_BAD_REQUEST
                request_id: req-1
    Unavailable:
      description: >-
        The database can not be reached, what the request changes stays locked, or the service is starting or shutting down; try again
        (WVS_INTERNAL).
      headers:
        Retry-After:
          description: seconds
          required: true
          schema: {type: string, pattern: "^[0-9]+$"}
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            database:
              value:
                type: about:blank
                title: Service Unavailable
                status: 503
                detail: the database can not be reached at the moment; try again
                code: WVS_INTERNAL
                request_id: req-1
    Error:
      description: >-
        Any other refusal: 405 with `Allow`, 408, 431, 501 and 505 are WVS_BAD_REQUEST; 500 is WVS_INTERNAL.
      headers:
        X-Request-Id: {$ref: "#/components/headers/RequestId"}
      content:
        application/problem+json:
          schema: {$ref: "#/components/schemas/Problem"}
          examples:
            method:
              value:
                type: about:blank
                title: Method Not Allowed
                status: 405
                detail: only GET, HEAD, OPTIONS are allowed here
                code: WVS_BAD_REQUEST
                request_id: req-1

  schemas:
    Wsid:
      type: string
      pattern: "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"
    Uuid:
      description: UUID v7 in lower case
      type: string
      pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    Time:
      description: RFC 3339 in UTC with microseconds
      type: string
      pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$"
    NextCursor:
      description: for the next page; null on the last one
      type: [string, "null"]
    WorkspaceState:
      enum: [PROVISIONING, ACTIVE, INIT_FAILED, DISABLED]
    TaskStatus:
      description: FAILED waits for its retry; SUCCEEDED, CANCELED and DEAD are the ends.
      enum: [PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, DEAD]
    TaskOp:
      enum: [init_workspace, snapshot_create, snapshot_drop, set_current]
    AuditAction:
      enum:
        - workspace.create
        - workspace.init
        - workspace.retry_init
        - workspace.disable
        - workspace.snapshot_create
        - workspace.snapshot_drop
        - workspace.set_current
        - task.cancel
    ErrorCode:
      enum:
        - WVS_BAD_REQUEST
        - WVS_UNAUTHORIZED
        - WVS_FORBIDDEN
        - WVS_NOT_FOUND
        - WVS_CONFLICT_LOCKED
        - WVS_CONFLICT_IDEMPOTENT_MISMATCH
        - WVS_CONFLICT_EXISTS
        - WVS_CONFLICT_SNAPSHOT_IN_USE
        - WVS_GONE
        - WVS_PRECONDITION_FAILED
        - WVS_INTERNAL
        - WVS_EXECUTOR_ERROR
        - WVS_EXECUTOR_TIMEOUT
    UserId:
      type: [integer, "null"]
      minimum: 0
      maximum: 2147483647

    NewWorkspace:
      type: object
      additionalProperties: false
      required: [wsid, owner]
      properties:
        wsid: {$ref: "#/components/schemas/Wsid"}
        owner:
          description: for people and audits; the service gives it no meaning
          type: string
          minLength: 1
          maxLength: 255
          pattern: "^[^\\x00]*$"
        uid:
          description: whom the live tree belongs to; left out or null, the executor's default
          $ref: "#/components/schemas/UserId"
        gid:
          description: needs `uid`; left out or null, the same number
          $ref: "#/components/schemas/UserId"
      if:
        required: [gid]
        properties: {gid: {type: integer}}
      then:
        required: [uid]
        properties: {uid: {type: integer}}
    CreatedWorkspace:
      type: object
      additionalProperties: false
      required: [wsid, state, init_task_id]
      properties:
        wsid: {$ref: "#/components/schemas/Wsid"}
        state:
          description: PROVISIONING, or where the request is a replay the workspace's present state
          $ref: "#/components/schemas/WorkspaceState"
        init_task_id: {$ref: "#/components/schemas/Uuid"}
    Workspace:
      type: object
      additionalProperties: false
      required:
        [wsid, owner, state, root_path, current_path, current_snapshot_id, uid, gid, created_at, updated_at]
      properties:
        wsid: {$ref: "#/components/schemas/Wsid"}
        owner: {type: string}
        state: {$ref: "#/components/schemas/WorkspaceState"}
        root_path:
          description: as agents see it
          type: string
        current_path:
          description: the live tree that `current` leads to, as agents see it
          type: string
        current_snapshot_id:
          description: the snapshot that the live tree was made from; null before the first set_current
          anyOf: [{$ref: "#/components/schemas/Uuid"}, {type: "null"}]
        uid: {$ref: "#/components/schemas/UserId"}
        gid: {$ref: "#/components/schemas/UserId"}
        created_at: {$ref: "#/components/schemas/Time"}
        updated_at: {$ref: "#/components/schemas/Time"}
    Current:
      type: object
      additionalProperties: false
      required: [wsid, current_path, current_snapshot_id, updated_at]
      properties:
        wsid: {$ref: "#/components/schemas/Wsid"}
        current_path: {type: string}
        current_snapshot_id:
          anyOf: [{$ref: "#/components/schemas/Uuid"}, {type: "null"}]
        updated_at: {$ref: "#/components/schemas/Time"}
    NewSnapshot:
      type: object
      additionalProperties: false
      properties:
        message:
          description: for people
          type: [string, "null"]
          maxLength: 4096
          pattern: "^[^\\x00]*$"
    Snapshot:
      type: object
      additionalProperties: false
      required: [snapshot_id, message, fs_path, created_at]
      properties:
        snapshot_id: {$ref: "#/components/schemas/Uuid"}
        message: {type: [string, "null"]}
        fs_path:
          description: as agents see it
          type: string
        created_at: {$ref: "#/components/schemas/Time"}
    SetCurrent:
      type: object
      additionalProperties: false
      required: [snapshot_id]
      properties:
        snapshot_id: {$ref: "#/components/schemas/Uuid"}
        discard:
          description: clone even where the snapshot is current already, which throws the agent's changes away
          type: [boolean, "null"]
          default: false
    Task:
      type: object
      additionalProperties: false
      required:
        - task_id
        - wsid
        - op
        - status
        - attempt
        - max_attempts
        - created_at
        - started_at
        - ended_at
        - next_run_at
        - timeout_seconds
        - cancel_requested
        - request_id
        - params
        - progress
        - result
        - error
      properties:
        task_id: {$ref: "#/components/schemas/Uuid"}
        wsid: {$ref: "#/components/schemas/Wsid"}
        op: {$ref: "#/components/schemas/TaskOp"}
        status: {$ref: "#/components/schemas/TaskStatus"}
        attempt:
          description: how often it was started
          type: integer
          minimum: 0
        max_attempts: {type: integer, minimum: 1}
        created_at: {$ref: "#/components/schemas/Time"}
        started_at:
          description: of the present or last attempt
          anyOf: [{$ref: "#/components/schemas/Time"}, {type: "null"}]
        ended_at:
          anyOf: [{$ref: "#/components/schemas/Time"}, {type: "null"}]
        next_run_at:
          description: not before
          $ref: "#/components/schemas/Time"
        timeout_seconds:
          description: the deadline of one attempt
          type: integer
        cancel_requested: {type: boolean}
        request_id:
          description: of the request that made the task
          type: [string, "null"]
        params:
          description: what it is to do; ids of what it will create are fixed here
          type: object
          properties:
            live_id: {$ref: "#/components/schemas/Uuid"}
            snapshot_id: {$ref: "#/components/schemas/Uuid"}
            message: {type: [string, "null"]}
            discard: {type: boolean}
            uid: {type: integer}
            gid: {type: integer}
            traceparent: {type: string}
        progress:
          description: of a running attempt, from time to time
          anyOf:
            - $ref: "#/components/schemas/Progress"
            - type: "null"
        result:
          description: of a task that succeeded, that of its operation
          anyOf:
            - $ref: "#/components/schemas/InitResult"
            - $ref: "#/components/schemas/SnapshotResult"
            - $ref: "#/components/schemas/DropResult"
            - $ref: "#/components/schemas/SetCurrentResult"
            - type: "null"
        error:
          description: of the last attempt that failed
          anyOf:
            - $ref: "#/components/schemas/TaskError"
            - type: "null"
      allOf:
        - if:
            properties: {op: {const: init_workspace}}
          then:
            properties:
              result:
                anyOf: [{$ref: "#/components/schemas/InitResult"}, {type: "null"}]
        - if:
            properties: {op: {const: snapshot_create}}
          then:
            properties:
              result:
                anyOf: [{$ref: "#/components/schemas/SnapshotResult"}, {type: "null"}]
        - if:
            properties: {op: {const: snapshot_drop}}
          then:
            properties:
              result:
                anyOf: [{$ref: "#/components/schemas/DropResult"}, {type: "null"}]
        - if:
            properties: {op: {const: set_current}}
          then:
            properties:
              result:
                anyOf: [{$ref: "#/components/schemas/SetCurrentResult"}, {type: "null"}]
    InitResult:
      description: of init_workspace
      type: object
      additionalProperties: false
      required: [current_path]
      properties:
        current_path:
          description: the live tree, as agents see it
          type: string
    SnapshotResult:
      description: of snapshot_create
      type: object
      additionalProperties: false
      required: [snapshot_id, fs_path, engine, entries, receipt]
      properties:
        snapshot_id: {$ref: "#/components/schemas/Uuid"}
        fs_path:
          description: as agents see it
          type: string
        engine:
          description: how it was cloned, such as `reflink`
          type: string
        entries:
          description: files, folders and whatever else was cloned
          type: integer
          minimum: 0
        receipt: {$ref: "#/components/schemas/Receipt"}
    DropResult:
      description: of snapshot_drop
      type: object
      additionalProperties: false
      required: [snapshot_id]
      properties:
        snapshot_id: {$ref: "#/components/schemas/Uuid"}
    SetCurrentResult:
      description: of set_current
      type: object
      additionalProperties: false
      required: [current_snapshot_id, current_path, noop, receipt]
      properties:
        current_snapshot_id: {$ref: "#/components/schemas/Uuid"}
        current_path:
          description: the live tree, as agents see it
          type: string
        noop:
          description: the snapshot was current already, nothing was cloned
          type: boolean
        receipt:
          description: null where nobody was frozen, as where nothing was done
          anyOf:
            - $ref: "#/components/schemas/Receipt"
            - type: "null"
    Receipt:
      description: proof that the agent stood still
      type: object
      additionalProperties: false
      required: [consistency, window_ms, acknowledgements]
      properties:
        consistency:
          description: "`best_effort` where any acknowledgement is"
          enum: [quiesced, best_effort]
        window_ms:
          description: from the request to freeze to the last sidecar's thaw
          type: number
          minimum: 0
        acknowledgements:
          description: one of each sidecar; none where nobody used the workspace
          type: array
          items: {$ref: "#/components/schemas/Acknowledgement"}
    Acknowledgement:
      description: one sidecar's answer to one request to freeze, in the words of the quiesce protocol
      type: object
      additionalProperties: false
      required:
        - sidecar_id
        - nonce
        - method
        - consistency
        - processes
        - threads
        - flushed_files
        - freeze_ms
        - flush_ms
        - frozen_at
        - held
        - old_tree
      properties:
        sidecar_id: {type: string}
        nonce: {type: string}
        method:
          description: "`cgroup2`, `cgroup1`, `sigstop` or `none`"
          type: string
        consistency: {enum: [quiesced, best_effort]}
        processes: {type: integer, minimum: 0}
        threads: {type: integer, minimum: 0}
        flushed_files: {type: integer, minimum: 0}
        freeze_ms: {type: number, minimum: 0}
        flush_ms: {type: number, minimum: 0}
        frozen_at:
          description: RFC 3339, UTC
          type: string
        held:
          description: the sidecar vouches that the agent stood still through the last read
          type: boolean
        old_tree:
          description: after a switch, the first processes that were seen to stand in the tree that was current before
          type: array
          items: {type: integer, minimum: 0}
    Progress:
      type: object
      additionalProperties: false
      required: [phase, entries, entries_total, frozen]
      properties:
        phase:
          description: >-
            `preparing`, `quiescing`, `cloning`, `updating`, `switching`, `releasing`, `syncing`, `publishing` or `deleting`; later
            releases may know more
          type: string
        entries: {type: integer, minimum: 0}
        entries_total:
          description: null where that is not known
          type: [integer, "null"]
          minimum: 0
        frozen:
          description: the agent stands still
          type: boolean
    TaskError:
      type: object
      required: [code, message, retryable, attempt, details]
      properties:
        code:
          description: a code of the API, QUIESCE_TIMEOUT or QUIESCE_BROKEN
          type: string
        message: {type: string}
        retryable: {type: boolean}
        attempt: {type: integer}
        details: {type: object}
    AuditEvent:
      type: object
      additionalProperties: false
      required: [event_id, ts, wsid, actor, action, request_id, task_id, payload]
      properties:
        event_id: {type: integer}
        ts: {$ref: "#/components/schemas/Time"}
        wsid: {type: [string, "null"]}
        actor:
          description: "`anonymous` with its `addr`, or `worker` with its `id`"
          type: object
          required: [type]
          properties:
            type: {enum: [anonymous, worker]}
            addr: {type: string}
            id: {type: string}
        action:
          description: one of AuditAction; later releases may know more
          type: string
        request_id: {type: [string, "null"]}
        task_id: {type: [string, "null"]}
        payload:
          type: object
          required: [action, wsid, request_id, task_id, before, after, error]
    Readiness:
      type: object
      additionalProperties: false
      required: [status, checks]
      properties:
        status: {enum: [ready, unavailable]}
        checks:
          description: by name, `ok` or what stands in the way
          type: object
          additionalProperties: {type: string}
    Problem:
      description: RFC 9457
      type: object
      additionalProperties: false
      required: [type, title, status, detail, code, request_id]
      properties:
        type: {const: about:blank}
        title:
          description: the status's phrase
          type: string
        status: {type: integer, minimum: 400, maximum: 599}
        detail:
          description: for people
          type: string
        code: {$ref: "#/components/schemas/ErrorCode"}
        request_id: {type: string}
        task_id:
          description: the task that stands in the way
          type: string

"""##
}
