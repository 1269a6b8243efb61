"""The command line of a rollout: what it takes, and what it refuses in one line."""

import os
import subprocess
import sys

import pytest

from canary.__main__ import main
from canary.arguments import url

COMMANDS = ("run", "promote", "abort", "report", "deploy", "outcome")


@pytest.mark.parametrize("arguments", [[], *([each] for each in COMMANDS)])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m canary" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_help_in_any_encoding(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "canary", "run", "--help"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert ("N,N,…" if encoding == "utf-8" else "N,N,?") in done.stdout.decode(encoding)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--interval", "5s"], "argument --interval: it must be a time from 10s to 24h"),
        (["--steps", "10,5"], "argument --steps: it must be percents"),
        (["--on-no-data", "wait"], "argument --on-no-data: it must be"),
        (["--to", "0"], "argument --to: it must be a percent"),
        (["--pause-at", "x"], "argument --pause-at: it must be a percent"),
        (["--notify", "localhost:8080/a"], "argument --notify: it must be a URL with a host"),
        (["--notify", f"http://{'a' * 64}/"], "argument --notify: it must be a URL with a host"),
        (["--notify", "http://a..b/"], "argument --notify: it must be a URL with a host"),
        (["--notify", "http://[a/"], "argument --notify: it must be a URL with a host"),
        (["--notify", "http://a:x/"], "argument --notify: it must be a URL with a host"),
        (["--notify", "ftp://a/"], "argument --notify: it must be a URL with a host"),
        (["--dry-run", "--resume"], "not allowed with argument"),
    ],
)
def test_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "given",
    ["https://hooks.example.com/canary?key=1", "http://[::1]:8080/", "http://büro.example/"],
)
def test_urls(given: str) -> None:
    assert url(given) == given
