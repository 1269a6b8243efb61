"""The Dtab resource through the real engine and language host: what a person sees."""

import base64
import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.paths import ROOT
from tests.engine.tables import BASE_TEXT, V1, V2, WORLD, dtab, text
from tests.engine.test_dtab_faults import READ_ERRORS, REFUSED_WRITES
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, stack
from tests.harness.faults import Exchange, Fault, FaultProxy, delayed, trickled
from tests.harness.namerd import Namerd, namerd, started
from tests.harness.processes import free_port
from tests.harness.waiting import wait_until

PROGRAM = Path(__file__).parent / "programs" / "dtab.py"
PATIENCE = "0.2"


def declare(engine: Engine, inputs: Mapping[str, Any], names: str = "internal") -> None:
    """Take the program with these inputs."""
    engine.run(
        PROGRAM,
        NAMES=names,
        DENTRIES=json.dumps(inputs["dentries"]),
        SPLITS=json.dumps(inputs["splits"]),
        NAMERD=json.dumps(inputs["namerd"]),
        ADOPT="true" if inputs["adopt"] else "false",
    )


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with stack(tmp_path, {}, PYTHONPATH=str(ROOT), LINKERD_CANARY_PATIENCE=PATIENCE) as found:
        yield found
        for word in ("pulumi.dynamic", "-python-host", "-python-exec", "/pulumi"):
            kill(tmp_path, word)  # what a killed engine leaves


def lines_of_dtab(shown: str) -> list[str]:
    """The changed lines that a preview shows of the resource itself."""
    of_resource = shown.partition("dynamic/namerd:Dtab: (")[2]
    of_resource = re.split("--outputs:--|Resources:", of_resource)[0]
    changed = re.findall(r"^ *[~+-] .*$", of_resource, re.MULTILINE)
    return [line.strip() for line in changed]


def test_a_weight_change_previews_as_its_lines_of_splits_alone(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    declare(engine, dtab(proxy.url, 0))
    assert engine.up().steps == {"create": 2}
    assert engine.up("--expect-no-changes").steps == {"unchanged": 2}
    engine.preview("--expect-no-changes")
    engine.refresh("--expect-no-changes")
    declare(engine, dtab(proxy.url, 10))
    del proxy.requests[:]
    preview = engine.preview()
    assert proxy.requests == []
    assert (
        "      ~ splits   : {\n"
        "          ~ /host/world: {\n"
        "              ~ /srv/world-v1: 100 => 90\n"
        "              ~ /srv/world-v2: 0 => 10\n"
        "            }\n"
        "        }\n"
    ) in preview.text
    assert lines_of_dtab(preview.text) == [
        "~ splits   : {",
        "~ /host/world: {",
        "~ /srv/world-v1: 100 => 90",
        "~ /srv/world-v2: 0 => 10",
    ]
    assert preview.steps == {"update": 1, "unchanged": 1}
    assert engine.up().steps == {"update": 1, "unchanged": 1}
    assert a_namerd.get("internal") == text(10)
    assert engine.outputs()["internalSplit"] == {WORLD: {V1: 90, V2: 10}}
    assert engine.destroy().steps == {"delete": 2}
    assert a_namerd.get("internal") is None


def test_another_namespace_or_namerd_previews_as_a_replacement(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy, tmp_path: Path
) -> None:
    declare(engine, dtab("", 10, namerd={"cluster": "here", "url": a_namerd.url}))
    engine.up()
    declare(engine, dtab("", 10, namerd={"cluster": "here", "url": proxy.url}))
    moved = engine.preview()
    assert moved.steps == {"update": 1, "unchanged": 1}
    assert lines_of_dtab(moved.text) == [
        "~ namerd   : {",
        f'~ url    : "{a_namerd.url}" => "{proxy.url}"',
    ]
    assert engine.up().steps == {"update": 1, "unchanged": 1}
    a_namerd.put("internal", text(10))  # another version: no longer the one of the state
    declare(engine, dtab("", 10, namerd={"cluster": "there", "url": a_namerd.url}))
    assert engine.up().steps == {"update": 1, "unchanged": 1}
    assert a_namerd.get("internal") == text(10)
    with namerd(tmp_path) as another:
        declare(engine, dtab("", 10, namerd={"cluster": "elsewhere", "url": another.url}))
        assert engine.preview().steps == {"replace": 1, "unchanged": 1}
    declare(engine, dtab("", 10, namerd={"cluster": "there", "url": a_namerd.url}))
    engine.up()
    engine.set_environment(NAMESPACE="elsewhere")
    renamed = engine.preview()
    assert renamed.steps == {"replace": 1, "unchanged": 1}
    assert '~ namespace: "internal" => "elsewhere"' in lines_of_dtab(renamed.text)
    assert proxy.writes == []


def test_drift_shows_as_lines_in_a_preview_with_refresh(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    declare(engine, dtab(proxy.url, 10))
    engine.up()
    a_namerd.put("internal", f"{BASE_TEXT};/new=>/x;{WORLD}=>3*{V2} & 1*{V1}")
    del proxy.requests[:]
    assert engine.preview("--expect-no-changes").steps == {"unchanged": 2}
    assert proxy.requests == []
    preview = engine.preview("--refresh")
    assert [seen.method for seen in proxy.requests] == ["GET"]
    refreshed, _, planned = preview.text.partition("(same)")
    assert '+ [5]: "/new => /x"' in refreshed
    assert f"~ {V1}: 90 => 25" in refreshed
    assert '- [5]: "/new => /x"' in planned
    assert f"~ {V1}: 25 => 90" in planned
    engine.up("--refresh")
    assert a_namerd.get("internal") == text(10)
    a_namerd.delete("internal")
    assert engine.up("--refresh").steps["create"] == 1
    assert a_namerd.get("internal") == text(10)


def test_values_that_a_preview_does_not_know_pass(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy
) -> None:
    """One table's entry is known once another table is written."""
    declare(engine, dtab(proxy.url, 10), names="first internal")
    engine.set_environment(CHAINED="true")
    assert engine.preview().steps == {"create": 3}
    assert proxy.requests == []
    engine.up()
    assert a_namerd.get("internal") == text(10).replace(f";{WORLD}", f";/after=>/srv;{WORLD}")
    declare(engine, dtab(proxy.url, 20), names="first internal")
    del proxy.requests[:]
    assert engine.preview().steps == {"update": 2, "unchanged": 1}
    assert proxy.requests == []
    engine.destroy()


def test_a_refused_table_and_the_way_to_adopt_it(engine: Engine, a_namerd: Namerd) -> None:
    a_namerd.put("internal", text(30))
    declare(engine, dtab(a_namerd.url, 10))
    theirs, ours = f"70.00*{V1} & 30.00*{V2}", f"90.00*{V1} & 10.00*{V2}"
    with pytest.raises(EngineFailedError) as failed:
        engine.up()
    assert failed.value.lines[0] == (
        "the table 'internal' exists already with other content: theirs "
        f"'{WORLD} => {theirs}', gone '{WORLD} => {ours}'; to replace that, set the resource's "
        "`adopt` (here: `pulumi config set adoptExisting true`)"
    )
    assert failed.value.lines[1:] == ["update failed"]
    declare(engine, dtab(a_namerd.url, 10, adopt=True))
    adopted = engine.up()
    assert (
        "the table 'internal' was there and is adopted; replaced: theirs "
        f"'{WORLD} => {theirs}', gone '{WORLD} => {ours}'"
    ) in adopted.text
    assert a_namerd.get("internal") == text(10)
    declare(engine, dtab(a_namerd.url, 10))
    engine.up("--expect-no-changes")


def test_a_malformed_input_is_one_line_each_and_shows_no_value(
    engine: Engine, a_namerd: Namerd
) -> None:
    namerd = {"cluster": "here", "service": "namerd", "kubeconfig": "s3cret"}
    declare(engine, dtab("", 101, dentries=["/a => b"], namerd=namerd))
    with pytest.raises(EngineFailedError) as failed:
        engine.preview()
    about = "pulumi-python:dynamic/namerd:Dtab resource 'internal' has a problem: "
    assert [line.removeprefix(about) for line in failed.value.lines if about in line] == [
        "dentries[0]: simple expected but 'b' found at '/a => [b]'",
        f"splits['{WORLD}']['{V1}']: a percent from 0 to 100 with at most two decimals, not -1",
        f"splits['{WORLD}']['{V2}']: a percent from 0 to 100 with at most two decimals, not 101",
        "namerd: 'service' is a namespace and a name, 'linkerd/namerd', not 'namerd'",
    ]
    assert "s3cret" not in str(failed.value)


def test_every_bad_answer_is_one_clear_line_at_the_terminal(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy, api_server: ApiServer
) -> None:
    """A table for each kind of answer, all in one `pulumi up`."""
    up = "1.5"
    expected, names = {"update failed"}, ["nobody", "distrusted"]

    def expect(name: str, method: str, fault: Fault, line: str) -> None:
        names.append(name)
        proxy.on(method, f"/api/1/dtabs/{name}", fault, times=1000)
        line = line.replace("change the table 'internal'", f"create the table '{name}'")
        expected.add(line.format(where=f"namerd at {proxy.url}", up=up))

    too_slow = "{where} gave no whole answer within 10 s; gave up after {up} s"
    expect("late", "GET", delayed(30), too_slow)
    expect("slow", "GET", trickled(0.2), too_slow)
    for i, (fault, line) in enumerate(READ_ERRORS.values()):
        expect(f"read-{i:02}", "GET", fault, line)
    for name in names[2:]:
        a_namerd.put(name, text(10))  # for the answers that are made of real ones
    for i, (fault, line) in enumerate(REFUSED_WRITES.values()):
        expect(f"write-{i:02}", "POST", fault, line)
    refusing = f"http://127.0.0.1:{free_port()}"
    expected.add(f"namerd at {refusing} cannot be reached: Connection refused; gave up after 1.5 s")
    kubeconfig = yaml.safe_load(api_server.kubeconfig.read_text())
    del kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]
    expected.add(
        f"namerd (service mesh/namerd of the cluster at {api_server.url}) cannot be trusted: "
        "unable to get local issuer certificate; its certificate is not of the authority, or for "
        "the name, that the kubeconfig gives"
    )
    elsewhere = {
        "nobody": {"url": refusing},
        "distrusted": {
            "cluster": "here", "service": "mesh/namerd", "kubeconfig": yaml.safe_dump(kubeconfig)
        },
    }  # fmt: skip
    declare(engine, dtab(proxy.url, 10), names=" ".join(names))
    engine.set_environment(LINKERD_CANARY_PATIENCE="0.05", ELSEWHERE=json.dumps(elsewhere))
    with pytest.raises(EngineFailedError) as failed:
        engine.up("--continue-on-error")
    assert set(failed.value.lines) == expected
    assert "Traceback" not in str(failed.value)
    for name in names[2:]:
        if a_namerd.get(name) is not None:
            a_namerd.delete(name)


def test_of_two_stacks_at_once_one_wins_and_one_says_so(tmp_path: Path, a_namerd: Namerd) -> None:
    """Two people who both have seen weight 10, each on a machine of their own."""
    for each in ("one", "two"):
        (tmp_path / each).mkdir()
    environment = {"PYTHONPATH": str(ROOT), "LINKERD_CANARY_PATIENCE": PATIENCE}
    with (
        stack(tmp_path / "one", {}, **environment) as one,
        stack(tmp_path / "two", {}, **environment) as two,
    ):
        for person in (one, two):  # the second adopts what the first has made
            declare(person, dtab(a_namerd.url, 10))
            person.up()
        declare(one, dtab(a_namerd.url, 20))
        declare(two, dtab(a_namerd.url, 30))

        def up(each: Engine) -> str:
            try:
                each.up()
            except EngineFailedError as failed:
                return failed.lines[0]
            return "won"

        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(up, (one, two)))
        assert said.count("won") == 1
        winner, loser = (20, one), (30, two)
        if said[1] == "won":
            winner, loser = loser, winner
        assert a_namerd.get("internal") == text(winner[0])
        (line,) = [line for line in said if line != "won"]
        assert line.startswith("the table 'internal' was changed by somebody else: theirs ")
        loser[1].up("--refresh")
        assert a_namerd.get("internal") == text(loser[0])


def processes(folder: Path, word: str) -> list[int]:
    """The test's own processes, by the home that they were given, whose command has a word."""
    home = f"PULUMI_HOME={folder}/home".encode()
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().split(b"\0")
            if home in environment and any(part.endswith(word.encode()) for part in command):
                found.append(int(process.name))
    return found


def kill(folder: Path, *words: str) -> None:
    """Kill these processes at once, and wait until nothing of theirs is open any more.

    On a busy machine a killed process goes on listening for a while. A pulumi that outlived its
    provider by that while would end by itself, and the test's next pulumi would be killed instead.
    """
    found = [process for word in words for process in processes(folder, word)]
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_until(lambda: all(map(has_ended, found)), f"{words} have ended")


def has_ended(process: int) -> bool:
    """Whether all its threads have: the last one closes what they have open."""
    threads = Path(f"/proc/{process}/task")
    try:
        return all("State:\tZ" in (each / "status").read_text() for each in threads.iterdir())
    except OSError:  # one ended meanwhile
        return not threads.exists()


def killed(folder: Path, *words: str) -> Fault:
    """SIGKILL once the server has done what is asked, before the caller hears of it."""

    def fault(exchange: Exchange) -> None:
        reply = exchange.forward()
        kill(folder, *words)
        exchange.reply(reply)

    return fault


def test_when_the_provider_is_killed_after_the_write_the_next_up_mends_it(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy, tmp_path: Path
) -> None:
    """With a third weight; test_dtab_interrupted has every point and every weight."""
    declare(engine, dtab(proxy.url, 10))
    engine.up()
    proxy.on("PUT", "/api/1/dtabs/", killed(tmp_path, "pulumi.dynamic"))
    declare(engine, dtab(proxy.url, 20))
    with pytest.raises(EngineFailedError):
        engine.up()
    assert a_namerd.get("internal") == text(20)
    declare(engine, dtab(proxy.url, 30))
    engine.up()
    assert a_namerd.get("internal") == text(30)
    engine.up("--refresh", "--expect-no-changes")


def test_when_pulumi_is_killed_after_the_write_the_next_up_mends_it(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy, tmp_path: Path
) -> None:
    for then in (20, 10, 30):
        declare(engine, dtab(proxy.url, 10))
        engine.up()
        proxy.on("PUT", "/api/1/dtabs/", killed(tmp_path, "/pulumi"))
        declare(engine, dtab(proxy.url, 20))
        with pytest.raises(EngineFailedError):
            engine.up()
        wait_until(lambda: a_namerd.get("internal") == text(10), "its provider puts it back")
        kill(tmp_path, "pulumi.dynamic")
        engine._command("cancel", "--yes")
        declare(engine, dtab(proxy.url, then))
        engine.up()
        assert a_namerd.get("internal") == text(then)
        engine.up("--expect-no-changes")


@pytest.mark.parametrize("then", [20, 30], ids=["again", "another weight"])
def test_when_everything_is_killed_in_a_create_the_next_up_mends_it(
    engine: Engine, a_namerd: Namerd, proxy: FaultProxy, tmp_path: Path, then: int
) -> None:
    """The state knows of an operation that was under way, and of no table."""
    proxy.on("POST", "/api/1/dtabs/", killed(tmp_path, "pulumi.dynamic", "/pulumi"))
    declare(engine, dtab(proxy.url, 20))
    with pytest.raises(EngineFailedError):
        engine.up()
    assert a_namerd.get("internal") == text(20)
    engine._command("cancel", "--yes")
    declare(engine, dtab(proxy.url, then))
    engine.up()
    assert a_namerd.get("internal") == text(then)
    engine.up("--refresh", "--expect-no-changes")


def test_nothing_secret_is_in_the_state_or_on_the_terminal(
    engine: Engine, api_server: ApiServer, a_namerd: Namerd, tmp_path: Path
) -> None:
    api_server.kubectl("create", "namespace", "dtab-secrets")
    port = int(a_namerd.url.rpartition(":")[2])
    api_server.expose("dtab-secrets", "namerd", {"http": port})
    content = api_server.kubeconfig.read_text()
    secrets = [
        value
        for value in yaml.safe_load(content)["users"][0]["user"].values()
        if isinstance(value, str)
    ]
    secrets += [base64.b64decode(value).decode().splitlines()[1] for value in secrets]
    reached = {"cluster": "here", "service": "dtab-secrets/namerd", "kubeconfig": content}
    shown = []
    for weight in (10, 20):
        declare(engine, dtab("", weight, namerd=reached))
        shown += [engine.preview().text, engine.up().text]
    declare(engine, dtab("", 20, namerd={**reached, "kubeconfig": content + "# renewed\n"}))
    renewed = engine.preview()
    assert renewed.steps == {"update": 1, "unchanged": 1}
    assert lines_of_dtab(renewed.text) == []
    shown += [renewed.text, engine.up().text, engine.refresh().text]
    declare(engine, dtab("", 30, namerd={**reached, "service": "dtab-secrets/none"}))
    with pytest.raises(EngineFailedError, match="is not there: 404") as failed:
        engine.up()
    shown.append(str(failed.value))
    kept = [path.read_text() for path in tmp_path.rglob("*.json") if "backend" in path.parts]
    (saved,) = (each for each in engine.state()["resources"] if each["type"].endswith(":Dtab"))
    for properties in (saved["inputs"], saved["outputs"]):
        assert "ciphertext" in properties["namerd"]["kubeconfig"]
        assert properties["namerd"]["cluster"] == "here"
        assert properties["__provider"] == (
            "gASVJAAAAAAAAACMDGR5bmFtaWMuZHRhYpSMDER0YWJQcm92aWRlcpSTlCmBlC4="
        )
    assert len(kept) > 1
    for each in (*shown, *kept):
        assert not any(secret in each for secret in secrets)
    engine.destroy()
    assert a_namerd.get("internal") is None


def test_destroy_ends_with_namerd_gone_where_the_table_is_deleted_with_something(
    engine: Engine, tmp_path: Path
) -> None:
    with started(tmp_path) as (gone, process):
        declare(engine, dtab(gone.url, 10))
        engine.set_environment(DELETED_WITH="true")
        engine.up()
        process.end()
    assert engine.destroy().steps["delete"] >= 2


def test_destroy_without_namerd_says_so_and_ends(engine: Engine, tmp_path: Path) -> None:
    with started(tmp_path) as (gone, process):
        declare(engine, dtab(gone.url, 10))
        engine.up()
        process.end()
    with pytest.raises(EngineFailedError) as failed:
        engine.destroy()
    assert failed.value.lines[0] == (
        f"namerd at {gone.url} cannot be reached: Connection refused; gave up after 1 s"
    )


def test_pulumi_import_does_not_know_the_resource(engine: Engine, a_namerd: Namerd) -> None:
    """Hence adoption. (pulumi/pulumi#16175; when this fails, the docs can say more.)"""
    a_namerd.put("internal", text(10))
    declare(engine, dtab(a_namerd.url, 10))
    with pytest.raises(EngineFailedError) as failed:
        engine._command(
            "import", "--yes", "pulumi-python:dynamic/namerd:Dtab", "internal", "here/internal"
        )
    assert "KeyError: '__provider'" in str(failed.value)  # of the SDK's: it reads nothing to import
