#!/bin/sh
# Updates the stack $PULUMI_STACK. What somebody else changed in between is put back: the preview
# that was approved has shown it.
set -eu
cd "$(dirname "$0")/.."
: "${PULUMI_STACK:?the stack to update}"

# The update previews once more, so that a mandatory policy stops it before anything is changed.
exec pulumi up --yes --non-interactive --refresh --diff --policy-pack "${POLICY_PACK:-policy}"
