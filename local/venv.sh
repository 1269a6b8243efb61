#!/bin/sh
# Makes a virtual environment from a lock file, once for each content of it:
#   venv.sh [LOCK [FOLDER]]
# by default .venv from requirements-dev.txt. Needs Python 3.11 or newer.
set -eu
cd "$(dirname "$0")/.."

fail() {
	echo "error: $1" >&2
	exit 1
}

command -v python3 >/dev/null || fail "no python3 on PATH: install Python 3.11 or newer and try again"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	fail "$(python3 --version) is too old: install Python 3.11 or newer and put it first on PATH"

lock=${1:-requirements-dev.txt}
venv=${2:-.venv}
key=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.version.encode()).hexdigest()[:16])' "$lock")
made=$venv/.made-$key
[ ! -e "$made" ] || exit 0

# Of two that come at once the second waits, and finds it made.
if command -v flock >/dev/null; then
	exec 9<"$lock"
	flock 9
	[ ! -e "$made" ] || exit 0
fi

echo "… installing the Python environment from $lock (once)" >&2
rm -rf "$venv"
if ! python3 -m venv "$venv" >/dev/null 2>&1; then
	# Debian and Ubuntu ship venv's other half as a package of its own.
	version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	rm -rf "$venv"
	{ apt-get update -qq && apt-get install -y -qq "python$version-venv"; } >/dev/null 2>&1 || true
	python3 -m venv "$venv" >/dev/null 2>&1 ||
		fail "python3 -m venv does not work: install the package python$version-venv and try again"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" >"$log" 2>&1; then
	tail -n 5 "$log" >&2
	fail "the Python packages of $lock could not be installed; what pip said is above"
fi
touch "$made"
