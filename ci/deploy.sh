#!/bin/sh
# Updates the stack $PULUMI_STACK. What somebody else changed in between is put back: the preview
# that was approved has shown it.
set -eu
cd "$(dirname "$0")/.."
: "${PULUMI_STACK:?the stack to update}"

# Without a preview of its own: before the first update, Kubernetes lets nobody who has no right to
# bind try out a binding whose role is not there yet.
exec pulumi up --yes --non-interactive --skip-preview --refresh --diff \
	--policy-pack "${POLICY_PACK:-policy}"
