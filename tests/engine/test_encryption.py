"""TLS through the real engine on a real API server: what state and previews hold, and refusals."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.paths import ROOT
from mesh import pair
from mesh.pair import Pair
from tests.engine.live_pods import Mesh
from tests.harness import pairs
from tests.harness.apiserver import ApiServer
from tests.harness.engine import Engine, EngineFailedError, kubernetes_plugin, stack
from tests.harness.pairs import DAY, Made

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).parent / "programs" / "encryption.py"


@pytest.fixture
def mesh(api_server: ApiServer) -> Mesh:
    return Mesh(api_server)


@pytest.fixture
def engine(tmp_path: Path, mesh: Mesh) -> Iterator[Engine]:
    with stack(tmp_path, {"kubernetes": kubernetes_plugin()}) as found:
        found.set_environment(
            PYTHONPATH=str(ROOT), KUBECONFIG_CONTENT=mesh.kubeconfig, NAMESPACE=mesh.namespace
        )
        yield found


def configure(engine: Engine, mode: str, **more: str) -> None:
    defaults = {"PERMISSIVE": "false", "SECRET": "", "ROTATION": "none", "SERIAL": "1"}
    engine.run(PROGRAM, MODE=mode, **{**defaults, "DAYS_LATER": "0", "PODS": "", **more})


def refused(engine: Engine) -> str:
    """The one line of a preview and of an update that both fail before they change anything."""
    said = []
    for command in (engine.preview, engine.up):
        with pytest.raises(EngineFailedError) as failed:
            command()
        assert "Traceback" not in str(failed.value)
        lines = [line for line in failed.value.lines if "failed" not in line]
        said.append(lines)
    assert said[0] == said[1]
    (line,) = said[0]
    return line


def secrets(mesh: Mesh) -> list[dict[str, Any]]:
    listed = mesh.api.kubectl("get", "secrets", "-n", mesh.namespace, "-o", "json")
    found: list[dict[str, Any]] = json.loads(listed)["items"]
    return [each for each in found if each["metadata"]["name"].startswith("l5d-tls-")]


def served(mesh: Mesh) -> Pair:
    """What the only Secret of the project holds, found to be of use to linkerd."""
    (secret,) = secrets(mesh)
    assert secret["immutable"]
    files = {name: base64.b64decode(text) for name, text in secret["data"].items()}
    return pair.read(files, "the Secret", True, datetime.now(UTC))


def keys(mesh: Mesh) -> list[str]:
    """Lines of private keys that are in use: none of them may be seen anywhere."""
    (secret,) = secrets(mesh)
    found = base64.b64decode(secret["data"]["tls.key"]).decode()
    return [found.splitlines()[1], secret["data"]["tls.key"]]


def warnings(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def test_no_key_is_in_the_state_or_in_a_preview(engine: Engine, mesh: Mesh, tmp_path: Path) -> None:
    engine.set_environment(PULUMI_DEBUG_COMMANDS="true")
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    configure(engine, "mutual")
    shown = [engine.preview("--event-log", str(logs[0])).text, engine.up().text]
    at_first = keys(mesh)
    states = [json.dumps(engine.state())]
    shown.append(engine.refresh().text)
    states.append(json.dumps(engine.state()))
    for log, rotation in zip(logs[1:], ("both", "new", "none"), strict=True):
        configure(engine, "mutual", ROTATION=rotation)
        shown += [engine.preview("--event-log", str(log)).text, engine.up().text]
        states.append(json.dumps(engine.state()))
    for state in states:
        assert "BEGIN PRIVATE KEY" not in state
        assert not any(line in state for line in at_first + keys(mesh))
    assert all(log.stat().st_size > 1000 for log in logs)
    for text in [*shown, *(log.read_text() for log in logs)]:
        assert "BEGIN PRIVATE KEY" not in text
        assert not any(line in text for line in at_first + keys(mesh))
    (certificates,) = [
        each for each in engine.state()["resources"] if each["urn"].endswith("::certificates")
    ]
    kept = certificates["outputs"]
    for name in ("key", "authority_key"):
        assert "ciphertext" in kept[name], f"{name} is kept, and encrypted"
    assert kept["certificate"].startswith("-----BEGIN CERTIFICATE")


def test_a_state_that_nothing_changes_has_nothing_to_do(engine: Engine, mesh: Mesh) -> None:
    configure(engine, "server", PERMISSIVE="true")
    engine.up()
    assert engine.preview().steps == {"unchanged": 6}
    engine.refresh()
    assert engine.preview().steps == {"unchanged": 6}


def test_a_changed_certificate_is_a_new_secret_and_the_former_goes_last(
    engine: Engine, mesh: Mesh
) -> None:
    configure(engine, "mutual")
    engine.up()
    former, (before,) = served(mesh), secrets(mesh)
    configure(engine, "mutual", SERIAL="2")
    preview = engine.preview()
    assert preview.steps == {"update": 2, "replace": 1, "unchanged": 3}
    begun = len(mesh.api.requests())
    engine.up()
    (after,) = secrets(mesh)
    assert served(mesh).authorities == former.authorities
    assert served(mesh).certificate != former.certificate
    assert before["metadata"]["name"] != after["metadata"]["name"]
    done = [
        (request.verb, request.path.partition("?")[0].rpartition("/")[2])
        for request in mesh.api.requests()[begun:]
        if request.verb in ("create", "patch", "delete") and "dryRun" not in request.path
    ]
    assert list(dict.fromkeys(done)) == [
        ("patch", after["metadata"]["name"]),
        ("patch", "pods"),
        ("delete", before["metadata"]["name"]),
    ]


def test_a_rotation_given_up_after_an_update_that_failed_keeps_what_pods_mount(
    engine: Engine, mesh: Mesh
) -> None:
    configure(engine, "mutual")
    engine.up()
    former = served(mesh)
    configure(engine, "mutual", ROTATION="both", PODS="refused")
    with pytest.raises(EngineFailedError):
        engine.up()
    assert len(secrets(mesh)) == 2, "the former one is still to be deleted"
    configure(engine, "mutual")
    engine.up()
    (secret,) = secrets(mesh)
    (volume,) = json.loads(mesh.api.get("configmap", "pods", mesh.namespace)["data"]["volumes"])
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert served(mesh) == former
    assert engine.preview().steps == {"unchanged": 6}


def test_an_unsafe_change_names_the_steps_and_writes_nothing(engine: Engine, mesh: Mesh) -> None:
    configure(engine, "off")
    engine.up()
    configure(engine, "server")
    begun = len(mesh.api.requests())
    line = refused(engine)
    assert line.startswith("config from meshTls off with meshTlsPermissive false to meshTls server")
    assert line.endswith("(3) meshTls server with meshTlsPermissive false")
    verbs = {each.verb for each in mesh.api.requests()[begun:] if "dryRun" not in each.path}
    assert verbs <= {"get", "list", "watch"}
    for mode, permissive in (("off", "true"), ("server", "true"), ("server", "false")):
        configure(engine, mode, PERMISSIVE=permissive)
        engine.up()
    assert served(mesh)


def test_a_skipped_step_of_a_rotation_writes_nothing(engine: Engine, mesh: Mesh) -> None:
    configure(engine, "mutual")
    engine.up()
    before = secrets(mesh)
    configure(engine, "mutual", ROTATION="new")
    assert "set it to both, run `pulumi up`, and then set it to new" in refused(engine)
    assert secrets(mesh) == before


@pytest.mark.parametrize(
    ("days", "warned"),
    [
        (334, []),
        (336, ["linkerd's certificate expires in 28 days, at "]),
        (366, ["linkerd's certificate has expired, at "]),
    ],
)
def test_a_preview_warns_thirty_days_before_a_certificate_ends(
    engine: Engine, mesh: Mesh, days: int, warned: list[str]
) -> None:
    configure(engine, "mutual")
    engine.up()
    configure(engine, "mutual", DAYS_LATER=str(days))
    found = warnings(engine.preview().text)
    assert len(found) == len(warned)
    for line, beginning in zip(found, warned, strict=True):
        assert line.startswith(beginning)
        assert line.endswith(
            "`pulumi config set meshTlsSerial 2` and `pulumi up` give linkerds a new one"
        )


def test_a_preview_warns_before_the_authority_ends(engine: Engine, mesh: Mesh) -> None:
    configure(engine, "mutual")
    engine.up()
    configure(engine, "mutual", DAYS_LATER="3640")
    found = warnings(engine.preview().text)
    (authority,) = [line for line in found if line.startswith("the authority of the mesh expires")]
    assert "set meshTlsRotation to both, to new and to none again" in authority


class TestGivenSecret:
    def test_its_end_is_an_output_and_warned_of(self, engine: Engine, mesh: Mesh) -> None:
        now = datetime.now(UTC)
        authority = pairs.authority(begins=now - DAY, ends=now + 400 * DAY)
        for ends, warned in ((90, 0), (20, 1)):
            made = Made(by=authority, begins=now - DAY, ends=now + ends * DAY)
            mesh.keep("certs", pairs.files(made))
            configure(engine, "mutual", SECRET="certs")
            assert len(warnings(engine.preview().text)) == warned
            engine.up()
            told = datetime.fromisoformat(engine.outputs()["expires"]["certificate"])
            assert abs(told - made.certificate.not_valid_after_utc) < timedelta(seconds=1)
        (line,) = warnings(engine.preview().text)
        assert line.endswith("have the keeper of Secret certs (meshTlsSecret) renew it")
        assert secrets(mesh) == [], "the pods mount the given one"
        (volume,) = engine.outputs()["volumes"]
        assert volume["secret"] == {"secretName": "certs", "defaultMode": 0o440}

    def test_one_of_no_use_is_refused_and_nothing_is_written(
        self, engine: Engine, mesh: Mesh
    ) -> None:
        configure(engine, "mutual", SECRET="certs")
        assert f"Secret {mesh.namespace}/certs (meshTlsSecret) is not there" in refused(engine)
        made = Made(by=pairs.authority())
        mesh.keep("certs", {**pairs.files(made), "tls.key": Made().key_pem()})
        assert "tls.key is not the key of the certificate in tls.crt" in refused(engine)
        found = mesh.api.kubectl("get", "configmaps", "-n", mesh.namespace, "-o", "name")
        assert "pods" not in found
