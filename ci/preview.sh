#!/bin/sh
# Previews an update of the stack $PULUMI_STACK against what is live, and changes nothing. What a
# reviewer wants of it goes to $RUNNER_TEMP/preview.md and to the job's summary.
set -eu
cd "$(dirname "$0")/.."
: "${PULUMI_STACK:?the stack to preview}" "${RUNNER_TEMP:?a folder for what this writes}"

log=$RUNNER_TEMP/preview.jsonl
: >"$log"
# Without the variable the CLI does not know --event-log.
export PULUMI_DEBUG_COMMANDS=true
status=0
pulumi preview --non-interactive --refresh --diff --policy-pack "${POLICY_PACK:-policy}" \
	--event-log "$log" || status=$?
.venv/bin/python -m canary summary "$log" >"$RUNNER_TEMP/preview.md"
exit "$status"
