#!/bin/sh
# Format, lint and types of everything that is in git.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
status=0

try() {
	echo "$*"
	"$@" || status=1
}

try $bin/ruff format --check --quiet .
try $bin/ruff check --quiet .
try $bin/mypy .
# shellcheck disable=SC2046 # the names of this project's files hold no spaces
try $bin/shellcheck $(git ls-files '*.sh' .ci/run local/build/pulumi-language-python local/build/host-venv/python)
try $bin/python -m local.actionlint
unformatted=$(git ls-files '*.go' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
	echo "not in gofmt's form: $unformatted"
	status=1
fi
gotoolchain=$($bin/python -c 'from local.cache import go_env; print(go_env()["GOTOOLCHAIN"])')
for module in $(git ls-files '*go.mod'); do
	folder=$(dirname "$module")
	# A module without packages of its own only pins a tool; kubernetes-sdk is vetted by what uses it.
	if [ "$folder" != local/build/kubernetes-sdk ] && [ -n "$(cd "$folder" && git ls-files '*.go')" ]; then
		echo "go vet in $folder"
		(cd "$folder" && CGO_ENABLED=0 GOTOOLCHAIN=$gotoolchain go vet -trimpath ./...) || status=1
	fi
done
exit $status
