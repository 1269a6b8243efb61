"""The dtab language: verdicts, canonical texts and messages read off the real parser."""

import csv
from pathlib import Path

import pytest

from tests.contract.pair import Mesh

SAMPLES = Path(__file__).parent.parent / "data" / "dtab-samples.tsv"


def _samples() -> list[tuple[str, str, str]]:
    with SAMPLES.open(newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return [(row[0], row[1], row[2]) for row in rows]


@pytest.mark.parametrize(("text", "verdict", "expected"), _samples())
def test_namerd_takes_shows_and_refuses_what_the_real_parser_does(
    mesh: Mesh, unused: str, text: str, verdict: str, expected: str
) -> None:
    namerd, expected = mesh.namerd, expected.replace(r"\n", "\n")
    answer = namerd.ask("PUT", unused, text.replace(r"\n", "\n"))
    if verdict == "ERR":
        assert (answer.status, answer.text) == (400, expected)
        return
    assert answer.status == 204
    read = namerd.read_until(unused, lambda answer: answer.status == 200)
    assert read.text.rstrip("\n") == expected


def test_there_are_all_samples() -> None:
    verdicts = [verdict for _, verdict, _ in _samples()]
    assert (verdicts.count("OK"), verdicts.count("ERR")) == (52, 32)


@pytest.mark.parametrize(
    "dst", ["3*/b & 7*/c", "3.00*/b & 7.00*/c", ".5*/b & /c", "0*/b & /c", "(/b | /c) & /d"]
)
def test_weights_and_parentheses_are_taken(mesh: Mesh, unused: str, dst: str) -> None:
    assert mesh.namerd.ask("PUT", unused, f"/a => {dst}").status == 204


@pytest.mark.parametrize("dst", ["-1 * /b & /c", "1e3 * /b & /c", "10% /b & /c"])
def test_odd_weights_are_400(mesh: Mesh, unused: str, dst: str) -> None:
    assert mesh.namerd.ask("PUT", unused, f"/a => {dst}").status == 400
