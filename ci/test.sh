#!/bin/sh
# Run a suite, `test` or `test-long`. Tests on the local nodes need root, which a hosted runner gives
# by sudo.
set -eu
cd "$(dirname "$0")/.."
suite=$1
if [ "$(id -u)" = 0 ]; then
	exec make "$suite"
fi
exec sudo --preserve-env=LINKERD_CANARY_CACHE,PYTEST_ARGS env "PATH=$PATH" make "$suite"
