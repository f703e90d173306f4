#!/usr/bin/env bash
# Fuzzes the API with schemathesis against docs/openapi.yaml: make fuzz-api. A whole stack runs, so that tasks go their way while
# requests come; links of the document lead from one request to the next.
#
#   FUZZ_SEED      20260217   the same seed sends the same requests
#   FUZZ_EXAMPLES  30         requests for each operation and phase, at most
#
# Arguments go to `schemathesis run`, for example --include-operation-id getTask.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/stack-lib.sh
. scripts/stack-lib.sh

# By content: a change of the list makes a new one.
root=$PWD
tools=$root/.build/tools/fuzz-$(sha256sum scripts/fuzz-requirements.txt | cut -c 1-12)
if [ ! -e "$tools/ready" ]; then
  echo "fuzz-api: installing schemathesis into $tools" >&2
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/fuzz-requirements.txt
  touch "$tools/ready"
fi

bin=$(realpath "${WVS_BIN:-bin}")
dir=''
trap 'stack_stop "$dir" || exit 1' EXIT
stack_signals
stack_scratch fuzz
stack_start "$dir" "$bin"
# Workspaces without an agent are answered for by the node's sidecar.
stack_spawn "$dir" sidecar "$bin/wvs-sidecar" node --root "$MOUNT"

checks=(
  not_a_server_error status_code_conformance content_type_conformance response_headers_conformance
  response_schema_conformance negative_data_rejection positive_data_acceptance missing_required_header
  unsupported_method allow_header_conformance ensure_resource_availability
)
# Not use_after_free: what is deleted here stays to be read, or goes later, with its task.
# What it remembers between runs would change the requests of a seed, and litter the checkout.
cd "$dir"
"$tools/bin/schemathesis" --config-file "$root/scripts/fuzz-api.toml" run "$root/docs/openapi.yaml" --url "$API_URL" \
  --phases examples,coverage,fuzzing,stateful --checks "$(IFS=,; echo "${checks[*]}")" \
  --seed "${FUZZ_SEED:-20260217}" --max-examples "${FUZZ_EXAMPLES:-30}" --continue-on-failure \
  --request-timeout 65 --suppress-health-check all "$@"

# Whatever was sent, it was a client's doing: nothing of ours broke.
cd "$root"
if jq -e 'select(.level == "error")' "$dir/log/api.log" > "$dir/errors"; then
  echo "fuzz-api: wvs-api logged errors:" >&2
  head -n 5 "$dir/errors" >&2
  exit 1
fi
