"""The parts of the kubernetes stand-in that need no cluster, as tables."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiException

from local.paths import ROOT
from local.standins.kubernetes import (
    checking,
    diffing,
    kubeconfig,
    objects,
    paths,
    readiness,
    refusals,
    settings,
    state,
    wait_for,
)
from local.standins.kubernetes.checking import Autonaming, Naming
from local.standins.kubernetes.diffing import Change
from local.standins.kubernetes.errors import FailedError, PluginError, UnreachableError
from local.standins.kubernetes.settings import Settings
from local.standins.kubernetes.values import (
    SECRET,
    SIGNATURE,
    UNKNOWN,
    from_struct,
    has_unknown,
    to_struct,
    without_secrets,
)


def obj(kind: str, api_version: str = "v1", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **rest}


class TestValues:
    def test_what_is_sent_comes_back_with_its_secrets(self) -> None:
        plain = {"a": 1, "b": [{"c": "x"}, 2.5], "d": True, "e": {}}
        secrets = {("b", 0, "c"), ("e",)}

        assert from_struct(to_struct(plain, secrets)) == (plain, secrets)

    def test_a_secret_is_sealed_once_with_all_below_it(self) -> None:
        sent = to_struct({"data": {"k": "v"}}, {("data",), ("data", "k")})

        assert sent == to_struct({"data": {SIGNATURE: SECRET, "value": {"k": "v"}}})

    def test_nulls_are_left_out_and_whole_numbers_are_integers(self) -> None:
        plain, _ = from_struct(to_struct({"gone": None, "port": 80.0, "share": 0.5}))

        assert plain == {"port": 80, "share": 0.5}
        assert isinstance(plain["port"], int)

    def test_every_kind_of_unknown_is_one(self) -> None:
        number = "3eeb2bf0-c639-47a8-9e75-3b44932eb421"
        plain, _ = from_struct(to_struct({"replicas": number, "names": ["a", UNKNOWN]}))

        assert plain["replicas"] == UNKNOWN
        assert has_unknown(plain["names"])
        assert not has_unknown({"a": ["b", {"c": 1}]})

    def test_a_message_is_shown_without_the_secrets_it_quotes(self) -> None:
        plain = {"data": {"password": "hunter22", "port": 80}}

        text = without_secrets("bad value hunter22 at port 80", plain, [("data",)])

        assert text == "bad value [secret] at port 80"


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            (("spec", "ports", 0, "port"), "spec.ports[0].port"),
            (("metadata", "labels", "app.kubernetes.io/name"),
             'metadata.labels["app.kubernetes.io/name"]'),
            (("data", 'a"b'), 'data["a\\"b"]'),
            (("data", "a-b_c"), "data.a-b_c"),
        ],
    )  # fmt: skip
    def test_written_and_parsed(self, path: paths.Path, text: str) -> None:
        assert paths.written(path) == text
        assert paths.parsed(text) == path

    def test_a_wildcard_is_no_path(self) -> None:
        assert paths.parsed("spec.containers[*].image") is None

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            (("a", "b"), {"a": {"b": 2, "c": 3}, "l": [1]}),
            (("a", "c"), {"a": {"b": 1}, "l": [1]}),
            (("l", 0), {"a": {"b": 1, "c": 3}, "l": [9]}),
            (("l", 5), {"a": {"b": 1, "c": 3}, "l": [1]}),
        ],
    )
    def test_a_value_is_taken_from_another_object(
        self, path: paths.Path, expected: dict[str, Any]
    ) -> None:
        value = {"a": {"b": 1, "c": 3}, "l": [1]}

        assert paths.with_value_of(value, {"a": {"b": 2}, "l": [9]}, path) == expected
        assert value == {"a": {"b": 1, "c": 3}, "l": [1]}


class TestChanges:
    def test_each_place_by_itself(self) -> None:
        old = {"data": {"a": "1", "b": "2"}, "list": [{"n": 1}, {"n": 2}], "same": [1]}
        new = {"data": {"a": "1", "c": "3"}, "list": [{"n": 5}], "same": [1]}

        assert diffing.changes(old, new) == {
            ("data", "b"): Change.DELETE,
            ("data", "c"): Change.ADD,
            ("list", 0, "n"): Change.UPDATE,
            ("list", 1): Change.DELETE,
        }

    def test_another_type_of_value_is_one_change(self) -> None:
        assert diffing.changes({"a": {"b": 1}}, {"a": [1]}) == {("a",): Change.UPDATE}

    @pytest.mark.parametrize(
        ("kind", "version", "path", "replaced"),
        [
            ("ConfigMap", "v1", ("metadata", "name"), True),
            ("ConfigMap", "v1", ("metadata", "namespace"), True),
            ("ConfigMap", "v1", ("metadata", "labels", "a"), False),
            ("ConfigMap", "v1", ("data", "a"), True),
            ("Secret", "v1", ("stringData", "a"), True),
            ("Secret", "v1", ("type",), True),
            ("Service", "v1", ("spec", "clusterIP"), True),
            ("Service", "v1", ("spec", "ports", 0, "port"), False),
            ("Pod", "v1", ("spec", "containers", 0, "image"), True),
            ("Deployment", "apps/v1", ("spec", "selector", "matchLabels", "app"), True),
            ("Deployment", "apps/v1", ("spec", "replicas"), False),
            ("Deployment", "apps/v1", ("spec",), True),
            ("DaemonSet", "apps/v1", ("spec", "selector"), True),
            ("StatefulSet", "apps/v1", ("spec", "volumeClaimTemplates", 0), True),
            ("Job", "batch/v1", ("spec", "template", "spec", "containers", 0), True),
            ("RoleBinding", "rbac.authorization.k8s.io/v1", ("roleRef", "name"), True),
            ("Role", "rbac.authorization.k8s.io/v1", ("rules", 0), False),
            ("DTab", "l5d.io/v1alpha1", ("dentries", 0), False),
        ],
    )
    def test_what_needs_a_new_object(
        self, kind: str, version: str, path: paths.Path, replaced: bool
    ) -> None:
        old = obj(kind, version)

        assert bool(diffing.replacing(old, old, [path])) is replaced

    def test_data_is_changed_in_place_where_that_is_allowed(self) -> None:
        config_map = obj("ConfigMap")
        mutable = ("ConfigMap",)

        assert not diffing.replacing(config_map, config_map, [("data", "a")], mutable_kinds=mutable)
        assert diffing.replacing(
            {**config_map, "immutable": True}, config_map, [("data", "a")], mutable_kinds=mutable
        )

    def test_another_api_group_is_another_object(self) -> None:
        at = ("apiVersion",)
        old, new = obj("Route", "a.example/v1"), obj("Route", "b.example/v1")

        assert diffing.replacing(old, new, [at]) == {at}
        assert not diffing.replacing(old, obj("Route", "a.example/v2"), [at])
        moved = obj("Ingress", "networking.k8s.io/v1")
        assert not diffing.replacing(obj("Ingress", "extensions/v1beta1"), moved, [at])


class TestDrift:
    @pytest.mark.parametrize(
        ("inputs", "last", "live", "expected"),
        [
            pytest.param({"a": "1"}, {"a": "1"}, {"a": "2"}, {"a": "2"}, id="changed"),
            pytest.param({"a": "1"}, {"a": "1"}, {}, {}, id="taken away"),
            pytest.param(
                {"a": 1}, {"a": 1, "d": 0}, {"a": 1, "d": 9}, {"a": 1}, id="not ours: no drift"
            ),
            pytest.param(
                {"cpu": "0.5"}, {"cpu": "500m"}, {"cpu": "500m"}, {"cpu": "0.5"}, id="spelling"
            ),
            pytest.param(
                {"secret": "w"}, {"other": 1}, {"other": 2}, {"secret": "w"}, id="never shown"
            ),
            pytest.param(
                {"c": [{"image": "a"}]},
                {"c": [{"image": "a", "pull": "x"}]},
                {"c": [{"image": "b", "pull": "x"}]},
                {"c": [{"image": "b"}]},
                id="within a list",
            ),
            pytest.param({"l": [1, 2]}, {"l": [1, 2]}, {"l": [1]}, {"l": [1]}, id="shorter"),
            pytest.param({"l": [1]}, {"l": [1]}, {"l": [1, 2]}, {"l": [1, 2]}, id="longer"),
        ],
    )
    def test_shows_as_inputs(self, inputs: Any, last: Any, live: Any, expected: Any) -> None:
        assert diffing.drifted(inputs, last, live) == expected


DEPLOYMENT = {"metadata": {"name": "x", "generation": 2}, "spec": {"replicas": 3}}


def deployment(**status: Any) -> dict[str, Any]:
    return {**obj("Deployment", "apps/v1"), **DEPLOYMENT, "status": status}


def workload(kind: str, spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    metadata = {"name": "x", "generation": 1}
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {**obj(kind, version), "metadata": metadata, "spec": spec, "status": status}


def condition(type_: str, status: str = "True", **rest: str) -> list[dict[str, str]]:
    return [{"type": type_, "status": status, **rest}]


ALL_THREE = {"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3, "observedGeneration": 2}


class TestReadiness:
    @pytest.mark.parametrize(
        ("live", "missing"),
        [
            pytest.param(deployment(), "waiting for the controller to see it", id="unseen"),
            pytest.param(
                deployment(**{**ALL_THREE, "observedGeneration": 1}),
                "waiting for the controller to see it",
                id="status of before",
            ),
            pytest.param(
                deployment(**{**ALL_THREE, "updatedReplicas": 1}), "1 of 3 replicas updated"
            ),
            pytest.param(deployment(**{**ALL_THREE, "replicas": 4}), "1 old replicas still to end"),
            pytest.param(
                deployment(**{**ALL_THREE, "availableReplicas": 2}), "2 of 3 replicas available"
            ),
            pytest.param(deployment(**ALL_THREE), None),
            pytest.param(
                deployment(**ALL_THREE, conditions=condition("Progressing", "False",
                                                             reason="ProgressDeadlineExceeded")),
                None,
                id="late, but there",
            ),
            pytest.param(
                workload("DaemonSet", {}, observedGeneration=1, desiredNumberScheduled=2,
                         updatedNumberScheduled=1, numberAvailable=2),
                "1 of 2 pods updated",
            ),
            pytest.param(
                workload("DaemonSet", {"updateStrategy": {"type": "OnDelete"}},
                         observedGeneration=1, desiredNumberScheduled=2, numberAvailable=2),
                None,
            ),
            pytest.param(
                workload("DaemonSet", {}, observedGeneration=1, desiredNumberScheduled=2,
                         updatedNumberScheduled=2, numberAvailable=1),
                "1 of 2 pods available",
            ),
            pytest.param(workload("DaemonSet", {}), "waiting for the controller to see it"),
            pytest.param(
                workload("StatefulSet", {"replicas": 2}, observedGeneration=1, readyReplicas=1),
                "1 of 2 replicas ready",
            ),
            pytest.param(
                workload("StatefulSet", {"replicas": 2}, observedGeneration=1, readyReplicas=2),
                "0 of 2 replicas updated",
            ),
            pytest.param(
                workload("StatefulSet",
                         {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
                         observedGeneration=1, readyReplicas=2),
                None,
            ),
            pytest.param(workload("Job", {}, active=1),
                         "pods: 1 active, 0 succeeded, 0 failed"),
            pytest.param(workload("Job", {}, conditions=condition("Complete")), None),
            pytest.param(workload("Job", {"suspend": True}), None),
            pytest.param({**obj("Pod"), "status": {"phase": "Pending"}}, "phase Pending"),
            pytest.param(
                {**obj("Pod"), "status": {"phase": "Running", "conditions": condition("Ready")}},
                None,
            ),
            pytest.param({**obj("Pod"), "status": {"phase": "Succeeded"}}, None),
            pytest.param(
                obj("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
                "not established yet",
            ),
            pytest.param(
                obj("CustomResourceDefinition", "apiextensions.k8s.io/v1",
                    status={"conditions": condition("Established")}),
                None,
            ),
            pytest.param(obj("Service", spec={"type": "LoadBalancer"}),
                         "no address from a load balancer yet"),
            pytest.param(
                obj("Service", spec={"type": "LoadBalancer"},
                    status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
                None,
            ),
            pytest.param(obj("Service", spec={"type": "ClusterIP"}), None),
            pytest.param(obj("Secret", type="kubernetes.io/service-account-token"), "no token yet"),
            pytest.param(obj("ConfigMap"), None),
            pytest.param(obj("Anything", "example.com/v1"), None),
        ],
    )  # fmt: skip
    def test_what_is_missing(self, live: dict[str, Any], missing: str | None) -> None:
        assert readiness.missing(live) == missing

    @pytest.mark.parametrize(
        ("live", "why"),
        [
            (
                deployment(
                    **{**ALL_THREE, "availableReplicas": 0},
                    conditions=condition(
                        "Progressing", "False", reason="ProgressDeadlineExceeded", message="late"
                    ),
                ),
                "late",
            ),
            (
                workload(
                    "Job",
                    {},
                    conditions=condition("Failed", reason="BackoffLimitExceeded", message="3 runs"),
                ),
                "BackoffLimitExceeded: 3 runs",
            ),
            ({**obj("Pod"), "status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
            (
                obj(
                    "CustomResourceDefinition",
                    "apiextensions.k8s.io/v1",
                    status={"conditions": condition("NamesAccepted", "False", message="taken")},
                ),
                "taken",
            ),
        ],
    )
    def test_what_will_not_come(self, live: dict[str, Any], why: str) -> None:
        with pytest.raises(FailedError, match=why):
            readiness.missing(live)

    @pytest.mark.parametrize(
        ("spec", "waits"),
        [
            ({"selector": {"app": "x"}}, True),
            ({"selector": {"app": "x"}, "clusterIP": "None"}, False),
            ({"type": "ExternalName", "selector": {"app": "x"}}, False),
            ({}, False),
        ],
    )
    def test_a_service_with_a_selector_waits_for_a_pod(
        self, spec: dict[str, Any], waits: bool
    ) -> None:
        service = obj("Service", spec=spec)

        assert readiness.waits_for_endpoints(service) is waits
        assert (readiness.missing(service, has_endpoints=False) is not None) is waits

    def test_pods_say_what_holds_them(self) -> None:
        waiting = {
            "waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "a:1"'}
        }
        crashing = {
            "name": "b",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 3}},
        }
        starting = {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}
        pods = [
            {**obj("Pod"), "status": {"containerStatuses": [{"name": "a", "state": waiting}]}},
            {**obj("Pod"), "status": {"containerStatuses": [crashing, starting]}},
            {
                **obj("Pod"),
                "status": {"conditions": condition("PodScheduled", "False", message="no room")},
            },
        ]

        assert readiness.pod_problems(pods) == [
            'pod x: container a: ImagePullBackOff (Back-off pulling image "a:1")',
            "pod x: container b: CrashLoopBackOff, exit code 3",
            "pod x is not scheduled: no room",
        ]


class TestWaitFor:
    @staticmethod
    def asking(expression: str) -> dict[str, Any]:
        annotations = {wait_for.ANNOTATION: expression}
        status = {"phase": "Running", "n": 2, "ips": [{"ip": "a"}], "conditions": condition("Ok")}
        return {**obj("Any"), "metadata": {"name": "x", "annotations": annotations},
                "status": status}  # fmt: skip

    @pytest.mark.parametrize(
        ("expression", "met"),
        [
            ("condition=Ok", True),
            ("condition=ok=False", False),
            ("condition=Other", False),
            ("jsonpath={.status.phase}=Running", True),
            ("jsonpath={.status.phase}=Failed", False),
            ("jsonpath={.status.n}=2", True),
            ("jsonpath={.status.ips[0].ip}", True),
            ("jsonpath={.status.ips[1].ip}", False),
            ('["condition=Ok", "jsonpath={.status.none}"]', False),
        ],
    )
    def test_conditions(self, expression: str, met: bool) -> None:
        assert (wait_for.missing(self.asking(expression)) is None) is met

    @pytest.mark.parametrize("expression", ["ready", "jsonpath={.a[*].b}", "condition="])
    def test_what_cannot_be_understood(self, expression: str) -> None:
        with pytest.raises(PluginError, match=r"pulumi.com/waitFor"):
            wait_for.check(self.asking(expression))


URN = "urn:pulumi:dev::shop::parent:Type$kubernetes:{}::{}"


class TestCheck:
    seeded = Naming(seed=bytes.fromhex("0123456789abcdef"))

    @staticmethod
    def check(
        type_: str,
        new: dict[str, Any],
        old: dict[str, Any] | None = None,
        name: str = "web",
        naming: Naming = seeded,
    ) -> tuple[dict[str, Any], dict[str, str]]:
        return checking.checked(URN.format(type_, name), old or {}, new, naming, lambda _: "here")

    def test_fills_in_kind_namespace_and_name(self) -> None:
        inputs, failures = self.check("core/v1:ConfigMap", {"data": {"a": "b"}})

        assert not failures
        assert inputs == {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "web-01234567",
                "namespace": "here",
                "annotations": {"pulumi.com/autonamed": "true"},
            },
            "data": {"a": "b"},
        }

    def test_a_chosen_name_stays(self) -> None:
        given = {"metadata": {"name": "mine", "namespace": "there"}}

        assert self.check("apps/v1:Deployment", given)[0]["metadata"] == given["metadata"]

    def test_an_autoname_stays_from_update_to_update(self) -> None:
        old, _ = self.check("core/v1:ConfigMap", {})
        again, _ = self.check("core/v1:ConfigMap", {}, old, naming=Naming(seed=b"another1"))

        assert objects.name_of(again) == objects.name_of(old)

    def test_the_engine_may_propose_a_name_or_forbid_it(self) -> None:
        proposed = Naming(Autonaming.PROPOSED, proposed="from-config")
        disabled = Naming(Autonaming.DISABLED)

        inputs, _ = self.check("core/v1:ConfigMap", {}, naming=proposed)
        assert objects.name_of(inputs) == "from-config"
        _, failures = self.check("core/v1:ConfigMap", {}, naming=disabled)
        assert failures == {"metadata.name": "autonaming is disabled: give the object a name"}

    @pytest.mark.parametrize(
        ("type_", "new", "where", "part"),
        [
            ("core/v1:ConfigMap", {"metadata": {"name": "Web"}}, "metadata.name", "no name for a"),
            ("core/v1:ConfigMap", {"metadata": "web"}, "metadata", "metadata is an object"),
            ("helm.sh/v3:Release", {}, "", "Helm is not supported"),
            ("kustomize/v2:Directory", {}, "", "not supported"),
            ("yaml/v2:ConfigFile", {}, "", "not supported"),
            ("core/v1:ConfigMapPatch", {}, "", "ConfigMapPatch is not supported"),
            ("core/v1:ConfigMapList", {}, "", "ConfigMapList is not supported"),
        ],
    )
    def test_refuses_in_one_line(
        self, type_: str, new: dict[str, Any], where: str, part: str
    ) -> None:
        _, failures = self.check(type_, new)

        assert list(failures) == [where]
        assert part in failures[where]
        assert "\n" not in failures[where]

    def test_rbac_names_may_hold_colons(self) -> None:
        given = {"metadata": {"name": "system:thing"}}

        assert not self.check("rbac.authorization.k8s.io/v1:ClusterRole", given)[1]

    def test_a_name_that_is_not_known_yet_passes(self) -> None:
        assert not self.check("core/v1:ConfigMap", {"metadata": {"name": UNKNOWN}})[1]


class TestObjects:
    @pytest.mark.parametrize(
        ("kind", "version", "namespaced"),
        [
            ("ConfigMap", "v1", True),
            ("Namespace", "v1", False),
            ("Deployment", "apps/v1", True),
            ("ClusterRole", "rbac.authorization.k8s.io/v1", False),
            ("Role", "rbac.authorization.k8s.io/v1", True),
            ("CustomResourceDefinition", "apiextensions.k8s.io/v1", False),
            ("DTab", "l5d.io/v1alpha1", None),
            ("Gateway", "gateway.networking.k8s.io/v1", None),
        ],
    )
    def test_scope(self, kind: str, version: str, namespaced: bool | None) -> None:
        assert objects.is_namespaced(obj(kind, version)) is namespaced

    def test_string_data_is_sent_as_data_and_shown_as_given(self) -> None:
        inputs = obj("Secret", data={"a": "YQ=="}, stringData={"b": "two"})

        sent = objects.as_sent(inputs)
        assert "stringData" not in sent
        assert sent["data"] == {"a": "YQ==", "b": "dHdv"}
        assert objects.as_shown(sent, inputs)["stringData"] == {"b": "two"}

    def test_a_secrets_content_is_sealed_in_the_state(self) -> None:
        inputs = obj("Secret", stringData={"b": "two"})
        live = objects.as_sent(inputs)

        outputs, sealed = from_struct(state.outputs_struct(live, inputs, ()))

        assert {("data",), ("stringData",), ("__inputs", "stringData")} <= sealed
        assert outputs["__inputs"] == inputs

    def test_what_the_program_marked_secret_stays_so(self) -> None:
        inputs = obj("ConfigMap", data={"token": "t"})

        _, sealed = from_struct(state.outputs_struct(inputs, inputs, {("data", "token")}))

        assert sealed == {("data", "token"), ("__inputs", "data", "token")}

    def test_inputs_of_an_imported_object_are_what_a_program_may_say(self) -> None:
        live = obj("Deployment", "apps/v1", spec={"replicas": 1}, status={"replicas": 1})
        live["metadata"].update(uid="u", resourceVersion="1", labels={"a": "b"})
        live["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}

        assert state.inputs_from(live) == {
            **obj("Deployment", "apps/v1", spec={"replicas": 1}),
            "metadata": {"name": "x", "labels": {"a": "b"}},
        }


class TestSettings:
    def test_options_come_before_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
        monkeypatch.setenv("PULUMI_K8S_ENABLE_SECRET_MUTABLE", "true")

        read = settings.read({"deleteUnreachable": "false"})

        assert not read.delete_unreachable
        assert read.secret_mutable
        assert read.mutable_kinds == ("Secret",)

    @pytest.mark.parametrize(
        "option", ["renderYamlToDirectory", "helmReleaseSettings", "cluster", "alwaysRender"]
    )
    def test_unsupported_options_are_refused(self, option: str) -> None:
        refused = settings.refusals({option: "true"})

        assert list(refused) == [option]
        assert refused[option].startswith(f"{option} is not supported by this stand-in")

    def test_client_side_apply_is_refused(self) -> None:
        assert "enableServerSideApply" in settings.refusals({"enableServerSideApply": "false"})

    def test_harmless_options_are_taken(self) -> None:
        options = {"suppressDeprecationWarnings": "true", "suppressHelmHookWarnings": "true"}

        assert not settings.refusals({**options, "enableServerSideApply": "true"})

    def test_the_kubeconfig_is_not_in_the_text_of_settings(self) -> None:
        assert "private" not in repr(Settings(kubeconfig="private"))


KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: first
contexts:
- {name: first, context: {cluster: one, user: u, namespace: mine}}
- {name: second, context: {cluster: two, user: u}}
clusters:
- {name: one, cluster: {server: "https://one", certificate-authority-data: AA==}}
- {name: two, cluster: {server: "https://two"}}
"""


class TestKubeconfig:
    def test_content_path_and_ambient(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "config"
        path.write_text(KUBECONFIG)
        monkeypatch.setenv("KUBECONFIG", f"/nonexistent:{path}")

        for where in (KUBECONFIG, str(path), ""):
            found = kubeconfig.active(Settings(kubeconfig=where))
            assert (found.server, found.namespace) == ("https://one", "mine")

    def test_json_is_content(self) -> None:
        import yaml  # noqa: PLC0415

        text = json.dumps(yaml.safe_load(KUBECONFIG))

        assert kubeconfig.active(Settings(kubeconfig=text)).server == "https://one"

    def test_another_context(self) -> None:
        found = kubeconfig.active(Settings(kubeconfig=KUBECONFIG, context="second"))

        assert (found.server, found.namespace) == ("https://two", "")

    @pytest.mark.parametrize(
        ("content", "context", "why"),
        [
            (KUBECONFIG, "third", r"has no context 'third'; it has first, second"),
            ("/nonexistent/config", "", "no kubeconfig can be read at /nonexistent/config"),
            ("a: [1\nsecret-key: x", "", "is no valid YAML"),
            ("just\ntext", "", "holds no kubeconfig"),
            ("contexts: []\nclusters: []", "", "has no current context"),
            ("current-context: a\ncontexts: [{name: a, context: {}}]", "", "names no cluster"),
        ],
    )
    def test_what_cannot_be_used(self, content: str, context: str, why: str) -> None:
        with pytest.raises(UnreachableError, match=why) as caught:
            kubeconfig.active(Settings(kubeconfig=content, context=context))

        assert "\n" not in str(caught.value)
        assert "secret-key" not in str(caught.value)

    @pytest.mark.parametrize(
        ("old", "new", "replaces"),
        [
            pytest.param({}, {"kubeconfig": KUBECONFIG + "users: []\n"}, [], id="same cluster"),
            pytest.param({}, {"context": "second"}, ["context"], id="another cluster"),
            pytest.param(
                {"clusterIdentifier": "a"},
                {"clusterIdentifier": "a", "context": "second"},
                [],
                id="the same by name",
            ),
            pytest.param(
                {"clusterIdentifier": "a"},
                {"clusterIdentifier": "b"},
                ["clusterIdentifier"],
                id="another by name",
            ),
            pytest.param({}, {"kubeconfig": UNKNOWN}, ["kubeconfig"], id="not known yet"),
            pytest.param({}, {"namespace": "other"}, [], id="only another default"),
        ],
    )
    def test_what_replaces_a_provider(
        self, old: dict[str, str], new: dict[str, str], replaces: list[str]
    ) -> None:
        before = {"kubeconfig": KUBECONFIG, **old}
        after = {"kubeconfig": KUBECONFIG, **new}
        changed = [key for key in after if before.get(key) != after[key]]

        assert diffing.replacing_config(before, after, changed) == replaces


def refusal(status: int, body: Any, about: dict[str, Any] | None = None) -> str:
    error = ApiException(status=status, reason="a reason")
    error.body = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(PluginError) as caught, refusals.of_requests("https://one", about):
        raise error
    return str(caught.value)


def test_its_start_loads_neither_client_nor_sdk_nor_yaml() -> None:
    """Each `pulumi` command waits for the plugin's start: 0.1 s without these, 0.4 s with them."""
    code = "import sys, local.standins.kubernetes.__main__; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)

    assert not {"kubernetes", "pulumi", "yaml"} & set(done.stdout.decode().split())


class TestRefusals:
    def test_a_conflict_names_the_fields_and_who_manages_them(self) -> None:
        cause = {
            "reason": "FieldManagerConflict",
            "field": ".spec.replicas",
            "message": 'conflict with "kubectl" with subresource "scale" using apps/v1',
        }
        text = refusal(409, {"reason": "Conflict", "details": {"causes": [cause]}}, deployment())

        assert text.startswith(
            'Deployment x: .spec.replicas is managed by "kubectl" with subresource "scale" and has'
        )
        assert "pulumi.com/patchForce" in text

    def test_a_body_that_is_no_status(self) -> None:
        assert refusal(502, "<html>Bad\nGateway</html>") == "a reason (502)"

    def test_refused_credentials_make_the_cluster_unreachable(self) -> None:
        text = refusal(401, {"message": "Unauthorized"})

        assert text.startswith("configured Kubernetes cluster is unreachable: https://one: it does")
