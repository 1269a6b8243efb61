#!/bin/sh
# Brings the stack $PULUMI_STACK to what its config says: a canary weight that rises by steps with
# analysis, everything else at once. What somebody else changed in between is put back: the preview
# that was approved has shown it. How it ended goes to $RUNNER_TEMP/deployment.json, for
# `python -m canary outcome`, and the page of a rollout to $RUNNER_TEMP/rollout.html.
set -eu
cd "$(dirname "$0")/.."
: "${PULUMI_STACK:?the stack to update}" "${RUNNER_TEMP:?a folder for what this writes}"

# Before the job's own end, which would kill an update: it is interrupted, and the weight stays.
exec timeout --foreground --preserve-status --signal=INT --kill-after=5m "${DEPLOY_LIMIT:-50m}" \
	.venv/bin/python -m canary deploy --policy-pack "${POLICY_PACK:-policy}" \
	--output "$RUNNER_TEMP/rollout.html" --outcome "$RUNNER_TEMP/deployment.json"
