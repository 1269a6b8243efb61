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

# Without a home pip would keep its cache in /.cache; what passwd says is taken, if anything.
case ${HOME:-} in
/*) ;;
*)
	HOME=$(python3 -c 'import os, pwd; print(pwd.getpwuid(os.getuid()).pw_dir)' 2>/dev/null) || HOME=$PWD/.local/home
	export HOME
	;;
esac

lock=${1:-requirements-dev.txt}
venv=${2:-.venv}
key=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.version.encode()).hexdigest()[:16])' "$lock")
made=$venv/.made-$key
[ ! -e "$made" ] || exit 0

if ! mkdir -p "$venv" 2>/dev/null || [ ! -w "$venv" ]; then
	fail "the folder $(pwd)/$venv cannot be written"
fi
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
# Runs a command with its output in $log and shows, as local/progress.py does, how far it is: on a
# terminal in a line that is redrawn, elsewhere in one a minute.
watched() {
	"$@" >"$log" 2>&1 &
	running=$!
	began=$(date +%s)
	shown=0
	while kill -0 "$running" 2>/dev/null; do
		gone=$(($(date +%s) - began))
		# Each name==version of the lock file is collected once.
		line="  … $(grep -c '^Collecting ' "$log" || true) of $(grep '^[a-z0-9].*==' "$lock" | grep -vc win32 || true) packages ($gone s)"
		! grep -q '^Installing collected packages' "$log" || line="  … all packages are here, installing them ($gone s)"
		if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then
			[ "$gone" -lt 2 ] || printf '\r\033[K%s' "$line" >&2
		elif [ $((gone / 60)) -gt "$shown" ]; then
			shown=$((gone / 60))
			echo "$line" >&2
		fi
		sleep 0.5
	done
	if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then printf '\r\033[K' >&2; fi
	wait "$running"
}

log=$(mktemp)
running=
trap 'rm -f "$log"' EXIT
# A background job of a shell ignores SIGINT: it has to be ended by name.
trap '[ -z "$running" ] || kill "$running" 2>/dev/null; exit 130' INT TERM HUP
if ! watched "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes -r "$lock"; then
	if grep -q 'No space left on device' "$log"; then
		fail "the disk is full: the Python packages of $lock could not be installed; free some space and try again"
	fi
	tail -n 5 "$log" >&2
	fail "the Python packages of $lock could not be installed; what pip said is above"
fi
touch "$made"
