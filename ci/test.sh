#!/bin/sh
# Run the suite $SUITE, `test` or `test-long`. Tests on the local nodes need root, which a hosted
# runner gives by sudo.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ]; then
	exec make "$SUITE"
fi
exec sudo --preserve-env=LINKERD_CANARY_CACHE,PYTEST_ARGS env "PATH=$PATH" make "$SUITE"
