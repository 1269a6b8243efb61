#!/bin/sh
# The environments that a stack and its policies need, from their lock files.
set -eu
cd "$(dirname "$0")/.."
local/venv.sh
local/venv.sh policy/requirements.txt policy/.venv
