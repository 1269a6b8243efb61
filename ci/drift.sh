#!/bin/sh
# Compares the stack $PULUMI_STACK, as it was last deployed, with what is live, and changes nothing.
# What it finds goes to $RUNNER_TEMP/drift.jsonl, for `python -m canary drift`.
set -eu
cd "$(dirname "$0")/.."
: "${PULUMI_STACK:?the stack to compare}" "${RUNNER_TEMP:?a folder for what this writes}"

log=$RUNNER_TEMP/drift.jsonl
: >"$log"
# Without the variable the CLI does not know --event-log.
export PULUMI_DEBUG_COMMANDS=true
exec pulumi refresh --preview-only --non-interactive --diff --event-log "$log"
