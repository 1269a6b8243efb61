#!/bin/sh
# Updates the stack $PULUMI_STACK. What somebody else changed in between is put back: the preview
# that was approved has shown it. It is previewed once more, so that what breaks a policy by now stops
# the update before it has touched anything.
set -eu
cd "$(dirname "$0")/.."
: "${PULUMI_STACK:?the stack to update}"

exec pulumi up --yes --non-interactive --refresh --diff \
	--policy-pack "${POLICY_PACK:-policy}"
