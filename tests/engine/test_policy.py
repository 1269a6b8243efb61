"""The policy pack under the real engine: each rule kept and broken, its levels and its options."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local import policies
from local.paths import ROOT
from tests.harness.engine import Engine, EngineFailedError, own_project, stack

PROGRAM = Path(__file__).parent / "programs" / "policies.py"
NOTHING: Mapping[str, Any] = {}
AGREEABLE = [sys.executable, "-u", "-m", "tests.harness.agreeable"]

BROKEN = {
    ("private-admin", "bad-namerd"): "port 80 gives namerd a public address by a load balancer",
    ("private-admin", "bad-linkerd-admin"): "port 81 gives linkerd's admin page a public address",
    ("private-admin", "bad-node-port"): "port 9991 gives an admin page a public address by the no",
    ("private-admin", "bad-external-ips"): "an admin page a public address by externalIPs",
    ("private-admin", "bad-ingress"): "it publishes namerd by service namerd",
    ("source-ranges", "bad-no-ranges"): "its load balancer lets every address in: set loadBalanc",
    ("source-ranges", "bad-all-ranges"): "its load balancer lets every address in, by 0.0.0.0/0",
    ("pinned-images", "bad-no-tag"): "container main runs the image registry.example:5000/web, whi",
    ("pinned-images", "bad-latest"): "container main runs the image example.com/web:latest, which",
    ("pinned-images", "bad-init"): "container first runs the image busybox, which may be",
    ("pinned-images", "bad-cron"): "container main runs the image busybox, which may be another",
    ("pinned-images", "bad-secret"): "container main runs the image [secret], which may be",
    ("closed-api-server", "bad-open"): "its API server answers every address, by 0.0.0.0/0",
    ("closed-api-server", "bad-no-authorised"): "every address: set authorizedIpRanges",
    ("supported-kubernetes", "bad-old"): "Kubernetes 1.27.3 has been out of support since 2025-",
    ("supported-kubernetes", "bad-ended"): "1.31 has been out of support since 2025-11-01: set",
    ("supported-kubernetes", "bad-version"): "kubernetesVersion latest is no version such as",
    ("declared-branches", "bad-undeclared"): (
        "/host/web has the branch /srv/web-v9, but the stack declares no service 'web-v9' in "
        "namespace 'shop'"
    ),
    ("declared-branches", "bad-port"): "service 'web-v3' in namespace 'shop' has no port called",
    ("declared-branches", "bad-nowhere"): "/src/web-v2, but no entry of the table takes it any",
    ("no-host-ports", "bad-host-port"): "container main takes the port 4140 of its node, which",
    ("hardened-pods", "bad-root"): "container main is not hardened: set runAsNonRoot: true",
    ("hardened-pods", "bad-bare"): (
        "container main is not hardened: set runAsNonRoot: true, readOnlyRootFilesystem: true, "
        "allowPrivilegeEscalation: false, capabilities.drop: [ALL], seccompProfile.type: "
        "RuntimeDefault, resources.limits.memory"
    ),
    ("hardened-pods", "bad-capable"): "main is not hardened: set capabilities.add: [NET_BIND_SERV",
    ("hardened-pods", "bad-node"): "its volume all is a part of the node's file system (hostPath)",
    ("hardened-pods", "bad-patch"): "container main is not hardened: set runAsNonRoot: true, read",
    ("table-rights", "bad-writer"): "it lets ServiceAccount web write routing tables in shop: the",
    ("table-rights", "bad-namerd-writes"): "it lets ServiceAccount namerd write routing tables in",
    ("table-rights", "bad-endpoints"): "it lets ServiceAccount web write endpoints in shop: the m",
    ("table-rights", "bad-binder"): "web give itself any right (bind, escalate) in shop",
    ("table-rights", "bad-wildcard"): "it lets ServiceAccount web write routing tables and write",
    ("table-rights", "bad-everywhere"): "whoever has it write routing tables in all namespaces",
    ("table-rights", "bad-admin"): "it gives ServiceAccount namerd every right (cluster-admin)",
    ("secret-outputs", "harness-test"): "shows a kubeconfig to everyone who may read the stack",
}


class Policed:
    """A stack whose previews and updates the pack looks at."""

    def __init__(self, engine: Engine, pack: Path, folder: Path) -> None:
        self._engine = engine
        self._pack = pack
        self._folder = folder
        self._log = folder / "events.jsonl"

    def failed(self, config: Mapping[str, Any] = NOTHING, command: str = "preview") -> str:
        """What a command says that a violation makes fail."""
        with pytest.raises(EngineFailedError) as failed:
            self._run(command, config)
        return str(failed.value)

    def passed(self, config: Mapping[str, Any] = NOTHING, command: str = "preview") -> str:
        """What a command says that succeeds, violations or not."""
        return self._run(command, config)

    def run(self, program: Path) -> None:
        """Take another program."""
        self._engine.run(program)

    def _run(self, command: str, config: Mapping[str, Any]) -> str:
        path = self._folder / "config.json"
        path.write_text(json.dumps(config))
        self._log.unlink(missing_ok=True)
        ran = getattr(self._engine, command)(
            *("--policy-pack", str(self._pack), "--policy-pack-config", str(path)),
            *("--event-log", str(self._log)),
        )
        return str(ran.text)

    def violations(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """Level and message of each violation of the last command, by rule and resource."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for line in self._log.read_text().splitlines():
            event = json.loads(line).get("policyEvent")
            if event:
                where = event["policyName"], event["resourceUrn"].rpartition("::")[2]
                said = event["enforcementLevel"], event["message"]
                found.setdefault(where, []).append(said)
        return found


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policed]:
    folder = tmp_path_factory.mktemp("policed")
    plugins = {"kubernetes": AGREEABLE, "azure-native": AGREEABLE}
    variables = {"PYTHONPATH": str(ROOT), "PULUMI_DEBUG_COMMANDS": "true"}
    with stack(folder, plugins, **variables) as engine:
        environ = {**os.environ, "PULUMI_HOME": str(folder / "home")}
        pack = policies.pack(folder / "policy", environ)
        engine.run(PROGRAM)
        yield Policed(engine, pack, folder)


@pytest.fixture(scope="module")
def previewed(policed: Policed) -> str:
    """What the preview says of everything that the program declares."""
    return policed.failed()


@pytest.mark.parametrize(("rule", "name"), list(BROKEN))
def test_what_breaks_a_rule_stops_the_preview(
    previewed: str, policed: Policed, rule: str, name: str
) -> None:
    said = policed.violations()[rule, name]
    assert {level for level, _ in said} == {"mandatory"}
    assert any(BROKEN[rule, name] in text for _, text in said), said
    assert BROKEN[rule, name] in " ".join(previewed.split()), "the person sees it too"


def test_what_keeps_the_rules_passes(previewed: str, policed: Policed) -> None:
    assert set(policed.violations()) == set(BROKEN)


def test_no_rule_shows_a_secret(previewed: str, policed: Policed) -> None:
    assert "s3cret-key" not in str(policed.violations())


def test_one_line_for_each_output_that_shows_a_credential(previewed: str, policed: Policed) -> None:
    said = [text for _, text in policed.violations()["secret-outputs", "harness-test"]]
    assert sorted(text.split("output ")[1].split()[0] for text in said) == [
        "'badContent'",
        "'badNested'",
    ]


def test_a_violation_of_an_advisory_rule_is_shown_and_stops_nothing(policed: Policed) -> None:
    shown = policed.passed({"all": "advisory"})
    assert set(policed.violations()) == set(BROKEN)
    levels = {level for said in policed.violations().values() for level, _ in said}
    assert levels == {"advisory"}
    assert "runs the image busybox" in " ".join(shown.split())


def test_one_rule_has_a_level_of_its_own(policed: Policed) -> None:
    only = {"enforcementLevel": "mandatory"}
    policed.failed({"all": "advisory", "pinned-images": only, "private-admin": "disabled"})
    levels = {rule: said[0][0] for (rule, _), said in policed.violations().items()}
    assert levels.pop("pinned-images") == "mandatory"
    assert set(levels.values()) == {"advisory"}
    assert set(levels) == {rule for rule, _ in BROKEN} - {"pinned-images", "private-admin"}


def test_options(policed: Policed) -> None:
    policed.failed(
        {
            "source-ranges": {"devStacks": ["test"]},
            "supported-kubernetes": {"endOfSupport": {"9.99": "2020-01-31"}},
            "declared-branches": {"elsewhere": ["shop/web-v9"]},
            "hardened-pods": {"exempt": ["shop/bad-bare", "shop/bad-node", "shop/bad-patch"]},
            "table-rights": {"writers": ["shop/web"]},
        }
    )
    found = policed.violations()
    assert {name for rule, name in found if rule == "hardened-pods"} == {"bad-root", "bad-capable"}
    assert {name for rule, name in found if rule == "table-rights"} == {
        "bad-everywhere",
        "bad-admin",
        "bad-namerd-writes",
        "bad-binder",
        "bad-wildcard",
    }
    assert not [where for where in found if where[0] == "source-ranges"]
    assert ("declared-branches", "bad-undeclared") not in found
    (said,) = found["supported-kubernetes", "good-cluster"]
    assert said[0] == "mandatory", "an option leaves the level as it is"
    assert "Kubernetes 9.99.1 has been out of support since 2020-01-31" in said[1]


def test_a_wrong_option_stops_the_preview(policed: Policed) -> None:
    shown = policed.failed({"source-ranges": {"devStacks": "dev"}})
    assert "source-ranges: devStacks: Invalid type" in shown


def test_what_a_preview_cannot_know_is_looked_at_by_the_update(
    policed: Policed, tmp_path: Path
) -> None:
    program = tmp_path / "late.py"
    program.write_text(
        "import pulumi, pulumi_kubernetes as k8s\n"
        "made = k8s.core.v1.ConfigMap('maker', metadata={'name': 'maker'})\n"
        "image = made.id.apply(lambda _: 'example.com/late')\n"
        "secret = pulumi.Output.secret(image)\n"
        "containers = [{'name': 'main', 'image': image}, {'name': 'side', 'image': secret}]\n"
        "hardened = {'readOnlyRootFilesystem': True, 'allowPrivilegeEscalation': False}\n"
        "hardened |= {'capabilities': {'drop': ['ALL']}}\n"
        "hardened = {'securityContext': hardened, 'resources': {'limits': {'memory': '64Mi'}}}\n"
        "containers = [{**each, **hardened} for each in containers]\n"
        "pod = {'runAsNonRoot': True, 'seccompProfile': {'type': 'RuntimeDefault'}}\n"
        "spec = {'containers': containers, 'securityContext': pod}\n"
        "k8s.core.v1.Pod('late', metadata={'name': 'late'}, spec=spec)\n"
    )
    policed.run(program)
    policed.passed()
    assert policed.violations() == {}
    said = policed.failed(command="up")
    assert "container main runs the image example.com/late" in said
    assert "container side runs the image [secret]" in said


KUBECONFIG = """\
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: u, user: {token: s3cret-key}}]
"""


@pytest.fixture(scope="module")
def own_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Policed]]:
    """This project's own program, which a preview asks no cluster for."""
    folder = tmp_path_factory.mktemp("own-program")
    plugins = {"kubernetes": AGREEABLE}
    with stack(folder, plugins, own_project, PULUMI_DEBUG_COMMANDS="true") as engine:
        environ = {**os.environ, "PULUMI_HOME": str(folder / "home")}
        pack = policies.pack(folder / "policy", environ)
        yield engine, Policed(engine, pack, folder)


@pytest.mark.parametrize("name", ["local", "dev"])
def test_the_projects_own_stacks_keep_all_rules_by_default(
    own_program: tuple[Engine, Policed], name: str
) -> None:
    engine, policed = own_program
    engine.select(name)
    engine.configure(kubeconfig=KUBECONFIG)
    assert "linkerd-canary" in policed.passed()
    assert policed.violations() == {}


@pytest.mark.long
def test_a_stack_in_production_says_who_may_call(own_program: tuple[Engine, Policed]) -> None:
    engine, policed = own_program
    engine.select("prod")
    engine.configure(kubeconfig=KUBECONFIG)
    shown = policed.failed()
    assert set(policed.violations()) == {("source-ranges", "l5d-external")}
    assert "pulumi config set --path 'sourceRanges[0]' 203.0.113.0/24" in " ".join(shown.split())
    assert "s3cret-key" not in shown
    engine.configure(kubeconfig=KUBECONFIG, sourceRanges=["203.0.113.0/24"])
    policed.passed()
    assert policed.violations() == {}


def test_a_services_secret_hides_no_image_from_the_rules(
    own_program: tuple[Engine, Policed],
) -> None:
    engine, policed = own_program
    engine.select("services")
    web = {"port": 80, "image": "busybox"}
    edge = {"exposure": "ClusterIP", "entryService": "web"}
    engine.configure(kubeconfig=KUBECONFIG, services={"web": web}, **edge)
    engine.set_secret("services.web.env.KEY", "s3cret-key")
    shown = policed.failed()
    assert set(policed.violations()) == {("pinned-images", "web")}
    assert "may be another one tomorrow" in shown
    assert "s3cret-key" not in shown
