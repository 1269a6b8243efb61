#!/bin/sh
# Makes a virtual environment from a lock file, once for each content of it:
#   venv.sh [LOCK [FOLDER]]
# by default .venv from requirements-dev.txt. Needs Python 3.11 or newer. The former environment is
# kept until the new one is complete, and is there again where that cannot be made.
#   venv.sh --any
# is content with a .venv of any lock file that can run the local commands: to end the nodes takes
# no network.
set -eu
cd "$(dirname "$0")/.."

any=
if [ "${1:-}" = --any ]; then
	any=yes
	shift
fi
lock=${1:-requirements-dev.txt}
venv=${2:-.venv}

will_do() {
	[ -n "$any" ] && "$venv/bin/python" -c 'import local.__main__' >/dev/null 2>&1
}
! will_do || exit 0

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

# A Python that was updated in its place runs what its former self has installed: not by sys.version,
# which has the date of the build.
key=$(python3 -c 'import hashlib, sys; python = f"{sys.implementation.cache_tag}{sys.abiflags} {sys.base_prefix}"; print(hashlib.sha256(open(sys.argv[1], "rb").read() + python.encode()).hexdigest()[:16])' "$lock")
made=$venv/.made-$key
# Its programs name their own place, so it can be made nowhere else: the former one makes way.
former=.local/former-$(echo "$venv" | tr / -)
# There while an environment is not complete. What `pulumi install` has made has neither mark.
making=$venv/.making
if [ -e "$made" ] && [ ! -e "$former" ]; then exit 0; fi

# Of two that come at once the second waits, and finds it made. Until then it touches nothing.
if command -v flock >/dev/null; then
	exec 9<"$lock"
	flock 9
fi
if ! mkdir -p "$venv" 2>/dev/null || [ ! -w "$venv" ]; then
	fail "the folder $(pwd)/$venv cannot be written"
fi

is_complete() {
	[ -x "$venv/bin/python" ] && [ ! -e "$making" ]
}
put_back() {
	[ -e "$former" ] || return 0
	rm -rf "$venv"
	mv "$former" "$venv"
}
# What a killed run has left. Not by is_complete: where it was removing what is unfinished, that may
# have lost its mark first.
if ls "$venv"/.made-* >/dev/null 2>&1; then rm -rf "$former"; else put_back; fi
if [ -e "$made" ] || will_do; then exit 0; fi

log=$(mktemp)
running=
trap 'rm -f "$log"; [ -e "$made" ] || put_back' EXIT
# A background job of a shell ignores SIGINT: it has to be ended by name.
stop() {
	if [ -n "$running" ]; then
		kill "$running" 2>/dev/null || true
		# It may go on writing for a while.
		wait "$running" 2>/dev/null || true
	fi
	exit 130
}
trap stop INT TERM HUP

echo "… installing the Python environment from $lock (once)" >&2
if ! { is_complete && mkdir -p .local && mv "$venv" "$former"; } 2>/dev/null; then
	rm -rf "$venv"
fi
make_empty() {
	mkdir -p "$venv" && touch "$making" && python3 -m venv "$venv" >/dev/null 2>&1
}
if ! make_empty; then
	# Debian and Ubuntu ship venv's other half as a package of its own.
	version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	rm -rf "$venv"
	{ apt-get update -qq && apt-get install -y -qq "python$version-venv"; } >/dev/null 2>&1 || true
	make_empty ||
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

if ! watched "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes -r "$lock"; then
	if grep -q 'No space left on device' "$log"; then
		fail "the disk is full: the Python packages of $lock could not be installed; free some space and try again"
	fi
	tail -n 5 "$log" >&2
	fail "the Python packages of $lock could not be installed; what pip said is above"
fi
mv "$making" "$made"
rm -rf "$former"
