"""The kubernetes stand-in against a real API server, through the protocol the engine speaks."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.paths import ROOT
from local.standins.kubernetes.values import UNKNOWN, from_struct
from tests.harness.apiserver import ApiServer
from tests.harness.plugin import Managed, Plugin, PluginFailedError, plugin
from tests.harness.processes import free_port

COMMAND = [sys.executable, "-u", "-m", "local.standins.kubernetes"]
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
NAMESPACE = "kubernetes:core/v1:Namespace"
SERVICE = "kubernetes:core/v1:Service"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


@pytest.fixture(scope="module")
def kubernetes(api_server: ApiServer) -> Iterator[Plugin]:
    with plugin(COMMAND, {"PYTHONPATH": str(ROOT)}) as running:
        running.configure(
            kubeconfig=api_server.kubeconfig.read_text(),
            enableConfigMapMutable=True,
            enableSecretMutable=True,
        )
        yield running


@pytest.fixture
def namespace(api_server: ApiServer, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own, called like it."""
    base = request.node.originalname.removeprefix("test_").replace("_", "-")[:48].strip("-")
    name = f"{base}-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def another(api_server: ApiServer) -> Iterator[Plugin]:
    """A plugin that the test configures for itself."""
    with plugin(COMMAND, {"PYTHONPATH": str(ROOT), "KUBECONFIG": "/nonexistent"}) as running:
        yield running


def named(name: str, namespace: str, **rest: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, **rest}


def deployment(
    name: str, namespace: str, annotations: dict[str, str] | None = None, replicas: int = 1
) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"containers": [{"name": "main", "image": "example.com/none:1"}]}
    return {
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations or {}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


ALL_ARE_THERE = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
}


def gone(api_server: ApiServer, kind: str, name: str, namespace: str = "") -> bool:
    try:
        api_server.get(kind, name, namespace)
    except RuntimeError as error:
        return "NotFound" in str(error)
    return False


class TestLife:
    def test_create_update_delete(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "c", named("c", namespace, data={"a": "1", "b": "2"}))
        assert made.id == f"{namespace}/c"
        assert api_server.get("configmap", "c", namespace)["data"] == {"a": "1", "b": "2"}
        assert made.outputs["metadata"]["uid"]

        wanted = named("c", namespace, data={"a": "3"})
        difference = kubernetes.diff(made, wanted)
        assert set(difference.detailedDiff) == {"data.a", "data.b"}
        assert not difference.replaces
        changed = kubernetes.update(made, wanted)
        assert api_server.get("configmap", "c", namespace)["data"] == {"a": "3"}
        assert changed.outputs["metadata"]["uid"] == made.outputs["metadata"]["uid"]

        kubernetes.delete(changed)
        assert gone(api_server, "configmap", "c", namespace)
        kubernetes.delete(changed)  # of what is gone

    def test_no_change_is_no_diff_and_no_request(
        self, kubernetes: Plugin, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        inputs = named("c", namespace, data={"a": "1"})
        made = kubernetes.create(CONFIG_MAP, "c", inputs)
        unnamed = {"metadata": {"namespace": namespace}, "data": {}}
        autonamed = kubernetes.create(CONFIG_MAP, "auto", unnamed)
        before = len(api_server.requests())

        another.configure(kubeconfig=str(api_server.kubeconfig), enableConfigMapMutable=True)
        for managed, wanted in ((made, inputs), (autonamed, unnamed)):
            difference = another.diff(managed, wanted)
            assert difference.changes == difference.DIFF_NONE

        assert api_server.requests()[before:] == []

    def test_autonames_are_the_resources_name_and_eight_hex_digits(
        self, kubernetes: Plugin, namespace: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "settings", {"metadata": {"namespace": namespace}})

        name = made.outputs["metadata"]["name"]
        base, _, digits = name.rpartition("-")
        assert base == "settings"
        assert len(digits) == 8
        assert int(digits, 16) >= 0
        renamed = {"metadata": {"namespace": namespace, "labels": {"a": "b"}}}
        assert kubernetes.diff(made, renamed).replaces == []

    def test_replacing_deletes_first_where_the_name_stays(
        self, kubernetes: Plugin, namespace: str
    ) -> None:
        skip = {"pulumi.com/skipAwait": "true"}
        made = kubernetes.create(DEPLOYMENT, "d", deployment("d", namespace, skip))
        wanted = deployment("d", namespace, skip)
        wanted["spec"]["selector"] = {"matchLabels": {"app": "d", "tier": "web"}}
        wanted["spec"]["template"]["metadata"]["labels"]["tier"] = "web"

        difference = kubernetes.diff(made, wanted)
        assert list(difference.replaces) == ["spec.selector.matchLabels.tier"]
        assert difference.deleteBeforeReplace
        assert not kubernetes.diff(made, deployment("e", namespace, skip)).deleteBeforeReplace

        kubernetes.delete(made)
        replacement = kubernetes.create(DEPLOYMENT, "d", wanted)
        assert replacement.outputs["metadata"]["uid"] != made.outputs["metadata"]["uid"]

    def test_data_replaces_where_it_may_not_be_changed(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        another.configure(kubeconfig=str(api_server.kubeconfig))
        made = another.create(CONFIG_MAP, "c", named("c", namespace, data={"a": "1"}))

        difference = another.diff(made, named("c", namespace, data={"a": "2"}))

        assert list(difference.replaces) == ["data.a"]
        assert difference.deleteBeforeReplace

    def test_refresh_shows_drift_as_inputs(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        inputs = named("c", namespace, data={"a": "1", "b": "2"})
        made = kubernetes.create(CONFIG_MAP, "c", inputs)
        assert kubernetes.read(made) == made

        patch = '{"data":{"a":"9","b":null,"theirs":"x"},"metadata":{"labels":{"theirs":"x"}}}'
        api_server.kubectl("patch", "configmap", "c", "-n", namespace, "-p", patch)
        refreshed = kubernetes.read(made)

        assert refreshed is not None
        assert refreshed.inputs["data"] == {"a": "9"}
        assert "labels" not in refreshed.inputs["metadata"]
        assert set(kubernetes.diff(refreshed, inputs).detailedDiff) == {"data.a", "data.b"}

    def test_refresh_forgets_what_is_gone(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "c", named("c", namespace))
        api_server.kubectl("delete", "configmap", "c", "-n", namespace)

        assert kubernetes.read(made) is None

    def test_import_takes_the_object_as_inputs(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        api_server.kubectl("create", "configmap", "c", "-n", namespace, "--from-literal=a=1")

        imported = kubernetes.import_(CONFIG_MAP, "c", f"{namespace}/c")

        assert imported is not None
        assert imported.inputs == {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            **named("c", namespace, data={"a": "1"}),
        }
        assert not kubernetes.diff(imported, named("c", namespace, data={"a": "1"})).detailedDiff

    def test_a_namespace_and_what_is_in_it_may_come_at_once(
        self, kubernetes: Plugin, api_server: ApiServer
    ) -> None:
        with ThreadPoolExecutor() as threads:
            inside = threads.submit(
                kubernetes.create, CONFIG_MAP, "early", named("early", "comes-late")
            )
            kubernetes.wait_until_said('namespaces "comes-late" not found')
            outside = kubernetes.create(NAMESPACE, "n", {"metadata": {"name": "comes-late"}})
            assert inside.result().id == "comes-late/early"

        kubernetes.delete(outside)
        assert gone(api_server, "namespace", "comes-late")

    def test_the_namespace_of_the_provider_or_the_context_is_the_default(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        another.configure(kubeconfig=str(api_server.kubeconfig), namespace=namespace)

        assert another.create(CONFIG_MAP, "c", {}).id.startswith(f"{namespace}/c-")
        bound = another.create(
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", "nobody", {"rules": []}
        )
        assert "/" not in bound.id
        another.delete(bound)

    def test_deleting_says_what_holds_an_object_and_gives_up(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        held = named("held", namespace)
        held["metadata"]["finalizers"] = ["example.com/hold"]
        made = kubernetes.create(CONFIG_MAP, "held", held)

        with pytest.raises(PluginFailedError) as refused:
            kubernetes.delete(made, timeout=1)

        assert str(refused.value) == (
            f"ConfigMap {namespace}/held is still being deleted, held by example.com/hold; "
            "given up after 1 s"
        )
        api_server.kubectl(
            "patch", "configmap", "held", "-n", namespace, "-p", '{"metadata":{"finalizers":null}}'
        )
        kubernetes.delete(made)

    def test_many_at_once(self, kubernetes: Plugin, namespace: str) -> None:
        def make(number: int) -> Managed:
            return kubernetes.create(
                CONFIG_MAP, f"c{number}", named(f"c{number}", namespace, data={"n": str(number)})
            )

        with ThreadPoolExecutor(32) as threads:
            made = list(threads.map(make, range(64)))
            assert [m.outputs["data"]["n"] for m in made] == [str(n) for n in range(64)]
            list(threads.map(kubernetes.delete, made))


class TestPreview:
    def test_writes_nothing(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "old", named("old", namespace, data={"a": "1"}))
        before = len(api_server.requests())

        created = kubernetes.create(CONFIG_MAP, "new", named("new", namespace), preview=True)
        elsewhere = kubernetes.create(CONFIG_MAP, "x", named("x", "not-there"), preview=True)
        wanted = named("old", namespace, data={"a": "2"})
        updated = kubernetes.update(made, wanted, preview=True)

        assert [r for r in api_server.requests()[before:] if r.writes] == []
        assert created.id == ""
        assert created.outputs["metadata"]["uid"] == UNKNOWN
        assert elsewhere.outputs["status"] == UNKNOWN
        assert updated.outputs["data"] == {"a": "2"}
        assert updated.outputs["metadata"]["uid"] == made.outputs["metadata"]["uid"]
        assert gone(api_server, "configmap", "new", namespace)

    def test_what_only_the_server_chooses_is_not_known(
        self, kubernetes: Plugin, namespace: str
    ) -> None:
        spec = {"type": "NodePort", "ports": [{"port": 80}], "selector": {"app": "x"}}

        previewed = kubernetes.create(SERVICE, "s", named("s", namespace, spec=spec), preview=True)

        assert previewed.outputs["spec"]["clusterIP"] == UNKNOWN
        assert previewed.outputs["spec"]["ports"] == [{"port": 80, "nodePort": UNKNOWN}]
        assert previewed.outputs["spec"]["sessionAffinity"] == "None"  # the server's default

    def test_unknown_values_pass_without_a_request(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        before = len(api_server.requests())

        inputs = named("c", namespace, data={"a": UNKNOWN})
        previewed = kubernetes.create(CONFIG_MAP, "c", inputs, preview=True)

        assert previewed.outputs["data"] == {"a": UNKNOWN}
        assert api_server.requests()[before:] == []

    def test_an_object_the_server_would_refuse_fails(
        self, kubernetes: Plugin, namespace: str
    ) -> None:
        with pytest.raises(PluginFailedError, match=r"spec.replicas: Invalid value: -1"):
            kubernetes.create(
                DEPLOYMENT, "d", deployment("d", namespace, replicas=-1), preview=True
            )

    def test_a_misspelt_field_fails(self, kubernetes: Plugin, namespace: str) -> None:
        inputs = named("c", namespace, datta={"a": "1"})

        with pytest.raises(PluginFailedError, match=r'unknown field "datta"'):
            kubernetes.create(CONFIG_MAP, "c", inputs, preview=True)
        with pytest.raises(PluginFailedError, match=r"\.datta: field not declared in schema"):
            kubernetes.create(CONFIG_MAP, "c", inputs)

    def test_a_provider_that_is_not_known_yet(self, another: Plugin) -> None:
        another.configure(kubeconfig=UNKNOWN)

        previewed = another.create(CONFIG_MAP, "c", {"data": {"a": "1"}}, preview=True)

        assert previewed.outputs["data"] == {"a": "1"}
        assert previewed.inputs["metadata"]["namespace"] == "default"


class TestOthersFields:
    def owned_by_another(self, api_server: ApiServer, namespace: str, value: str) -> None:
        theirs = (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: "
            f"{namespace}}}, data: {{a: '{value}'}}}}"
        )
        api_server.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--field-manager=someone", "-f", "-"),
            given=theirs,
        )

    def test_a_conflict_names_the_field_and_its_manager(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "c", named("c", namespace, data={"a": "1"}))
        self.owned_by_another(api_server, namespace, "theirs")
        wanted = named("c", namespace, data={"a": "2"})

        for preview in (True, False):
            with pytest.raises(PluginFailedError) as refused:
                kubernetes.update(made, wanted, preview=preview)
            assert str(refused.value) == (
                f'ConfigMap {namespace}/c: .data.a is managed by "someone" and has another value '
                "there. Take the value into the program, or take the field over with the "
                'annotation pulumi.com/patchForce: "true"'
            )
        assert api_server.get("configmap", "c", namespace)["data"] == {"a": "theirs"}

        wanted["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
        kubernetes.update(made, wanted)
        assert api_server.get("configmap", "c", namespace)["data"] == {"a": "2"}

    def test_ignored_changes_stay_as_others_have_them(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        inputs = named("c", namespace, data={"a": "1", "b": "1"})
        made = kubernetes.create(CONFIG_MAP, "c", inputs)
        self.owned_by_another(api_server, namespace, "theirs")

        wanted = named("c", namespace, data={"a": "1", "b": "2"})
        kubernetes.update(made, wanted, ignore_changes=["data.a"])

        live = api_server.get("configmap", "c", namespace)
        assert live["data"] == {"a": "theirs", "b": "2"}

    def test_what_exists_is_not_taken_over_unasked(
        self, kubernetes: Plugin, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        api_server.kubectl("create", "configmap", "c", "-n", namespace, "--from-literal=a=1")
        inputs = named("c", namespace, data={"b": "2"})

        with pytest.raises(PluginFailedError, match=rf"ConfigMap {namespace}/c already exists: "):
            kubernetes.create(CONFIG_MAP, "c", inputs)

        another.configure(kubeconfig=str(api_server.kubeconfig), upsertExistingObjects=True)
        another.create(CONFIG_MAP, "c", inputs)
        assert api_server.get("configmap", "c", namespace)["data"] == {"a": "1", "b": "2"}


def crd(plural: str, kind: str, scope: str = "Namespaced") -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": scope,
            "names": {"kind": kind, "plural": plural},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"


class TestCustomResources:
    def test_a_definition_and_an_object_of_it_may_come_at_once(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        type_ = "kubernetes:example.com/v1:Route"
        with ThreadPoolExecutor() as threads:
            early = threads.submit(kubernetes.create, type_, "r", named("r", namespace, weight=10))
            kubernetes.wait_until_said("serves no example.com/v1 Route")
            definition = kubernetes.create(CRD, "routes", crd("routes", "Route"))
            made = early.result()
        assert definition.outputs["status"]["conditions"]
        assert api_server.get("routes.example.com", "r", namespace)["weight"] == 10

        changed = kubernetes.update(made, named("r", namespace, weight=20))
        assert changed.outputs["weight"] == 20
        kubernetes.delete(definition)
        assert kubernetes.read(changed) is None  # with its kind
        kubernetes.delete(changed)

    def test_one_of_the_whole_cluster_gets_no_namespace(
        self, kubernetes: Plugin, api_server: ApiServer
    ) -> None:
        definition = kubernetes.create(CRD, "zones", crd("zones", "Zone", "Cluster"))
        # The garbage collector takes half a minute to learn of a new kind.
        background = {"pulumi.com/deletionPropagationPolicy": "background"}
        inputs = {"metadata": {"name": "z", "annotations": background}}
        made = kubernetes.create("kubernetes:example.com/v1:Zone", "z", inputs)

        assert made.id == "z"
        assert "namespace" not in made.inputs["metadata"]
        assert not kubernetes.diff(made, inputs).detailedDiff
        kubernetes.delete(made)
        kubernetes.delete(definition)
        assert gone(api_server, "crd", "zones.example.com")

    def test_a_kind_that_does_not_come_is_named(self, kubernetes: Plugin, namespace: str) -> None:
        with pytest.raises(PluginFailedError) as refused:
            kubernetes.create("kubernetes:example.org/v1:None", "n", named("n", namespace))

        assert str(refused.value).endswith(
            "serves no example.org/v1 None; is its CustomResourceDefinition there?"
        )


class TestSecrets:
    def test_content_is_sealed_whatever_the_program_says(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        inputs = named("s", namespace, stringData={"password": "hunter22"})
        made = kubernetes.create(SECRET, "s", inputs)

        _, sealed = from_struct(made.sealed_outputs)
        assert {("data",), ("stringData",), ("__inputs", "stringData")} <= sealed
        assert from_struct(made.sealed_inputs)[1] == {("stringData",)}
        assert made.outputs["stringData"] == {"password": "hunter22"}
        assert api_server.get("secret", "s", namespace)["data"] == {"password": "aHVudGVyMjI="}
        assert not kubernetes.diff(made, inputs).detailedDiff

    def test_a_dropped_key_is_gone(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        both = named("s", namespace, stringData={"a": "1", "b": "2"})
        made = kubernetes.create(SECRET, "s", both)

        kubernetes.update(made, named("s", namespace, stringData={"b": "3"}))

        assert api_server.get("secret", "s", namespace)["data"] == {"b": "Mw=="}

    def test_drift_shows_and_stays_sealed(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        made = kubernetes.create(SECRET, "s", named("s", namespace, stringData={"a": "1"}))
        patch = '{"data":{"a":"OQ=="}}'
        api_server.kubectl("patch", "secret", "s", "-n", namespace, "-p", patch)

        refreshed = kubernetes.read(made)

        assert refreshed is not None
        assert refreshed.inputs["stringData"] == {"a": "9"}
        assert ("stringData",) in from_struct(refreshed.sealed_inputs)[1]

    def test_what_the_program_marked_is_sealed_and_not_in_errors(
        self, kubernetes: Plugin, namespace: str
    ) -> None:
        wrong = named("c", namespace, data={"token": "hunter22"}, binaryData={"token": "hunter22"})
        where = [("data", "token"), ("binaryData", "token")]

        with pytest.raises(PluginFailedError) as refused:
            kubernetes.create(CONFIG_MAP, "c", wrong, secrets=where)
        assert "hunter22" not in str(refused.value)

        right = named("c", namespace, data={"token": "hunter22"})
        made = kubernetes.create(CONFIG_MAP, "c", right, secrets=[("data", "token")])
        sealed = from_struct(made.sealed_outputs)[1]
        assert sealed == {("data", "token"), ("__inputs", "data", "token")}


class TestReadiness:
    def test_a_deployment_is_waited_for(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        with ThreadPoolExecutor() as threads:
            creating = threads.submit(
                kubernetes.create, DEPLOYMENT, "d", deployment("d", namespace)
            )
            kubernetes.wait_until_said("waiting for the controller to see it")
            none_yet = {**ALL_ARE_THERE, "availableReplicas": 0}
            api_server.set_status("deployment", "d", none_yet, namespace)
            kubernetes.wait_until_said("0 of 1 replicas available")
            assert not creating.done()
            api_server.set_status("deployment", "d", ALL_ARE_THERE, namespace)
            made = creating.result()

        assert made.outputs["status"]["availableReplicas"] == 1

    def test_one_that_does_not_come_names_its_pods_reason_and_is_kept(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        broken_pod(api_server, namespace, {"app": "d"})

        with pytest.raises(PluginFailedError) as failed:
            kubernetes.create(DEPLOYMENT, "d", deployment("d", namespace), timeout=3)

        assert failed.value.reasons == [
            f"Deployment {namespace}/d: not ready within 3 s: waiting for the controller to see it",
            "pod broken: container main: ImagePullBackOff (no such image)",
        ]
        kept = failed.value.half_made
        assert kept is not None
        assert kept.id == f"{namespace}/d"
        kubernetes.wait_until_said("pod broken: container main: ImagePullBackOff (no such image)")

        api_server.set_status("deployment", "d", ALL_ARE_THERE, namespace)
        kubernetes.update(kept, deployment("d", namespace))

    def test_refresh_says_what_is_not_ready(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        api_server.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", **deployment("d", namespace)}
        )

        with pytest.raises(PluginFailedError) as unready:
            kubernetes.import_(DEPLOYMENT, "d", f"{namespace}/d")

        assert unready.value.half_made is not None
        assert "waiting for the controller" in unready.value.reasons[0]

    @pytest.mark.parametrize(
        ("annotation", "value"),
        [("pulumi.com/skipAwait", "true"), ("pulumi.com/waitFor", "jsonpath={.metadata.uid}")],
    )
    def test_annotations_change_what_is_waited_for(
        self, kubernetes: Plugin, namespace: str, annotation: str, value: str
    ) -> None:
        kubernetes.create(DEPLOYMENT, "d", deployment("d", namespace, {annotation: value}))

    def test_the_timeout_may_be_an_annotation(self, kubernetes: Plugin, namespace: str) -> None:
        inputs = deployment("d", namespace, {"pulumi.com/timeoutSeconds": "1"})

        with pytest.raises(PluginFailedError, match="not ready within 1 s"):
            kubernetes.create(DEPLOYMENT, "d", inputs)

    def test_a_service_waits_for_a_pod_and_an_address(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        ports = [{"port": 80}]
        spec = {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": ports}
        with ThreadPoolExecutor() as threads:
            creating = threads.submit(
                kubernetes.create, SERVICE, "s", named("s", namespace, spec=spec)
            )
            kubernetes.wait_until_said("no ready pod behind it yet")
            api_server.apply(endpoint_slice("s", namespace))
            kubernetes.wait_until_said("no address from a load balancer yet")
            address = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
            api_server.set_status("service", "s", address, namespace)
            made = creating.result()

        assert made.outputs["status"]["loadBalancer"]["ingress"] == [
            {"ip": "192.0.2.7", "ipMode": "VIP"}
        ]

    @pytest.mark.parametrize(
        "spec",
        [
            {"clusterIP": "None", "selector": {"app": "x"}, "ports": [{"port": 80}]},
            {"type": "ExternalName", "externalName": "example.com"},
            {"ports": [{"port": 80}]},
        ],
    )
    def test_other_services_are_ready_at_once(
        self, kubernetes: Plugin, api_server: ApiServer, spec: dict[str, Any]
    ) -> None:
        name = f"ready-{len(spec)}-{spec.get('type', 'none').lower()}"
        made = kubernetes.create(SERVICE, name, named(name, "default", spec=spec))
        kubernetes.delete(made)

    def test_a_job_and_a_pod_that_fail_say_why(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        pod = {"containers": [{"name": "main", "image": "none"}], "restartPolicy": "Never"}
        job = named("j", namespace, spec={"template": {"spec": pod}})
        with ThreadPoolExecutor() as threads:
            creating = threads.submit(kubernetes.create, "kubernetes:batch/v1:Job", "j", job)
            kubernetes.wait_until_said("pods: 0 active, 0 succeeded, 0 failed")
            started = "2026-01-01T00:00:00Z"
            failed = {"status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
            conditions = [{"type": "FailureTarget", **failed}, {"type": "Failed", **failed}]
            status = {"startTime": started, "conditions": conditions}
            api_server.set_status("job", "j", status, namespace)
            with pytest.raises(PluginFailedError, match="BackoffLimitExceeded: too often"):
                creating.result()

    def test_an_outage_is_outlasted(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        with _Relay(api_server.port) as relay, ThreadPoolExecutor() as threads:
            kubeconfig = api_server.kubeconfig.read_text()
            another.configure(
                kubeconfig=kubeconfig.replace(f":{api_server.port}", f":{relay.port}")
            )
            creating = threads.submit(another.create, DEPLOYMENT, "d", deployment("d", namespace))
            another.wait_until_said("waiting for the controller to see it")
            relay.cut()
            another.wait_until_said("configured Kubernetes cluster is unreachable")
            api_server.set_status("deployment", "d", ALL_ARE_THERE, namespace)
            relay.mend()
            assert creating.result().outputs["status"]["availableReplicas"] == 1

    def test_cancel_ends_the_wait_and_keeps_the_object(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        another.configure(kubeconfig=str(api_server.kubeconfig))
        with ThreadPoolExecutor() as threads:
            creating = threads.submit(another.create, DEPLOYMENT, "d", deployment("d", namespace))
            another.wait_until_said("waiting for the controller to see it")
            another.cancel()
            with pytest.raises(PluginFailedError, match="cancelled while waiting") as cancelled:
                creating.result(timeout=60)

        assert cancelled.value.half_made is not None

    def test_an_object_deleted_meanwhile_is_noticed(
        self, kubernetes: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        with ThreadPoolExecutor() as threads:
            creating = threads.submit(
                kubernetes.create, DEPLOYMENT, "d", deployment("d", namespace)
            )
            kubernetes.wait_until_said("waiting for the controller to see it")
            api_server.kubectl("delete", "deployment", "d", "-n", namespace)
            with pytest.raises(PluginFailedError, match="was deleted while it was waited for"):
                creating.result()


def broken_pod(api_server: ApiServer, namespace: str, labels: dict[str, str]) -> None:
    """A pod whose image cannot be had, as a kubelet would report it."""
    api_server.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "broken", "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        }
    )
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    container = {"name": "main", "image": "none", "imageID": "", "ready": False, "restartCount": 0}
    status = {"phase": "Pending", "containerStatuses": [{**container, "state": waiting}]}
    api_server.set_status("pod", "broken", status, namespace)


def endpoint_slice(service: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": service,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["198.51.100.9"], "conditions": {"ready": True}}],
        "ports": [{"port": 80}],
    }


class _Relay:
    """A port that leads to another, until it is cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        self._cut = False
        self._ended = False
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "_Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the thread up
        self._thread.join()
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """End every connection, and each new one at once."""
        self._cut = True
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def mend(self) -> None:
        self._cut = False

    def _serve(self) -> None:
        while True:
            client, _ = self._server.accept()
            if self._ended:
                client.close()
                return
            if self._cut:
                client.close()
                continue
            upstream = socket.create_connection(("127.0.0.1", self._target))
            self._open += [client, upstream]
            for source, sink in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 16):
                sink.sendall(chunk)


class TestReachingTheCluster:
    @pytest.fixture
    def nowhere(self, api_server: ApiServer) -> str:
        """A kubeconfig of an API server that is not there."""
        return api_server.kubeconfig.read_text().replace(
            api_server.url, f"https://127.0.0.1:{free_port()}"
        )

    def test_an_unreachable_cluster_is_one_line_in_a_preview_too(
        self, another: Plugin, nowhere: str
    ) -> None:
        another.configure(kubeconfig=nowhere)

        for preview in (True, False):
            with pytest.raises(PluginFailedError) as refused:
                another.create(CONFIG_MAP, "c", {"metadata": {"name": "c"}}, preview=preview)
            text = str(refused.value)
            assert text.startswith("configured Kubernetes cluster is unreachable: https://127.0.0")
            assert "connection refused" in text
            assert "\n" not in text

    def test_many_resources_do_not_each_wait_for_it(self, another: Plugin, nowhere: str) -> None:
        another.configure(kubeconfig=nowhere)

        def fail(number: int) -> float:
            started = time.monotonic()
            with pytest.raises(PluginFailedError, match="unreachable"):
                another.create(CONFIG_MAP, f"c{number}", {}, preview=True)
            return time.monotonic() - started

        with ThreadPoolExecutor(16) as threads:
            assert len(list(threads.map(fail, range(16)))) == 16

    def test_what_was_on_it_is_kept_unless_one_says_so(
        self, kubernetes: Plugin, another: Plugin, namespace: str, nowhere: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "c", named("c", namespace))
        another.configure(kubeconfig=nowhere)
        hint = "PULUMI_K8S_DELETE_UNREACHABLE=true"

        with pytest.raises(PluginFailedError, match=hint):
            another.read(made)
        with pytest.raises(PluginFailedError, match=hint):
            another.delete(made)

    def test_delete_unreachable(
        self, kubernetes: Plugin, another: Plugin, namespace: str, nowhere: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "c", named("c", namespace))
        another.configure(kubeconfig=nowhere, deleteUnreachable=True)

        another.delete(made)
        assert another.read(made) is None
        another.wait_until_said("removed from the state only: configured Kubernetes cluster")

    def test_skip_update_unreachable(
        self, kubernetes: Plugin, another: Plugin, namespace: str, nowhere: str
    ) -> None:
        made = kubernetes.create(CONFIG_MAP, "c", named("c", namespace, data={"a": "1"}))
        another.configure(kubeconfig=nowhere, skipUpdateUnreachable=True)

        assert another.read(made) == made
        kept = another.update(made, named("c", namespace, data={"a": "2"}))
        assert kept.outputs["data"] == {"a": "1"}

    @pytest.mark.parametrize(
        ("options", "part"),
        [
            ({"context": "other"}, "the provider's kubeconfig has no context 'other'; it has "),
            ({"kubeconfig": "/nonexistent/kubeconfig"}, "no kubeconfig can be read at /nonexist"),
            ({"kubeconfig": ""}, "no kubeconfig can be read at /nonexistent"),
        ],
    )
    def test_a_kubeconfig_that_means_no_cluster(
        self, another: Plugin, api_server: ApiServer, options: dict[str, str], part: str
    ) -> None:
        another.configure(**{"kubeconfig": api_server.kubeconfig.read_text(), **options})

        with pytest.raises(PluginFailedError) as refused:
            another.create(CONFIG_MAP, "c", {}, preview=True)

        assert part in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_what_rbac_forbids_is_said(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        another.configure(kubeconfig=str(api_server.kubeconfig_for("mallory")))

        with pytest.raises(PluginFailedError) as refused:
            another.create(CONFIG_MAP, "c", named("c", namespace))

        assert 'User "mallory" cannot get resource "configmaps"' in str(refused.value)
        another.create(CONFIG_MAP, "c", named("c", namespace), preview=True)  # as far as it can

    def test_credentials_that_are_not_accepted(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        kubeconfig = api_server.kubeconfig_with("expired", {"token": "no-such-token"})
        another.configure(kubeconfig=str(kubeconfig))

        with pytest.raises(PluginFailedError) as refused:
            another.create(CONFIG_MAP, "c", named("c", namespace))

        assert "does not accept the kubeconfig's credentials (401)" in str(refused.value)
        assert "no-such-token" not in str(refused.value)

    def test_a_certificate_of_another_authority(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        content = yaml.safe_load(api_server.kubeconfig.read_text())
        content["clusters"][0]["cluster"].pop("certificate-authority-data")  # then the machine's
        another.configure(kubeconfig=json.dumps(content))

        with pytest.raises(PluginFailedError, match="not one that the kubeconfig trusts"):
            another.create(CONFIG_MAP, "c", named("c", namespace))

    def test_a_token_a_token_file_and_an_exec_plugin(
        self, api_server: ApiServer, namespace: str, tmp_path: Path
    ) -> None:
        api_server.kubectl("create", "serviceaccount", "robot", "-n", namespace)
        api_server.kubectl(
            *("create", "rolebinding", "robot", "-n", namespace, "--clusterrole=edit"),
            f"--serviceaccount={namespace}:robot",
        )
        token = api_server.service_account_token(namespace, "robot")
        token_file = tmp_path / "token"
        token_file.write_text(token)
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token},
        }
        script = tmp_path / "credential"
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(credential)}\nEND\n")
        script.chmod(0o755)
        exec_ = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(script),
            "interactiveMode": "Never",
        }
        users: list[dict[str, Any]]
        users = [{"token": token}, {"tokenFile": str(token_file)}, {"exec": exec_}]
        # A proxy of the environment is not asked for what is on this machine.
        env = {"PYTHONPATH": str(ROOT), "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}
        for number, user in enumerate(users):
            kubeconfig = api_server.kubeconfig_with(f"robot-{number}", user)
            with plugin(COMMAND, env) as running:
                running.configure(kubeconfig=kubeconfig.read_text())
                running.create(CONFIG_MAP, f"c{number}", named(f"c{number}", namespace))

    def test_files_beside_the_kubeconfig_and_no_check_of_the_server(
        self, another: Plugin, api_server: ApiServer, namespace: str, tmp_path: Path
    ) -> None:
        content = yaml.safe_load(api_server.kubeconfig.read_text())
        user, cluster = content["users"][0]["user"], content["clusters"][0]["cluster"]
        for name in ("client-certificate", "client-key"):
            (tmp_path / name).write_bytes(base64.b64decode(user.pop(f"{name}-data")))
            user[name] = name
        cluster.pop("certificate-authority-data")
        cluster["insecure-skip-tls-verify"] = True
        (tmp_path / "config").write_text(yaml.safe_dump(content))
        another.configure(kubeconfig=str(tmp_path / "config"))

        another.create(CONFIG_MAP, "c", named("c", namespace))

    def test_no_key_is_left_in_a_file(
        self, api_server: ApiServer, namespace: str, tmp_path: Path
    ) -> None:
        def private_folders() -> set[Path]:
            return {path for path in Path("/dev/shm").iterdir() if path.name.startswith("tmp")}

        before = private_folders()
        with plugin(COMMAND, {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}) as running:
            running.configure(kubeconfig=api_server.kubeconfig.read_text())
            running.create(CONFIG_MAP, "c", named("c", namespace))
            assert private_folders() <= before
            assert list(tmp_path.iterdir()) == []


class TestThePlugin:
    def test_stands_for_the_release_of_the_sdk(self, kubernetes: Plugin) -> None:
        import pulumi_kubernetes  # noqa: PLC0415

        folder = Path(pulumi_kubernetes.__file__).parent
        assert f'"{kubernetes.version()}"' in (folder / "pulumi-plugin.json").read_text()

    def test_takes_apart_yaml(self, kubernetes: Plugin) -> None:
        text = "kind: A\n---\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n"

        decoded = kubernetes.invoke("kubernetes:yaml:decode", {"text": text})

        assert [document["kind"] for document in decoded["result"]] == ["A", "B", "C"]
        with pytest.raises(PluginFailedError, match="no valid YAML"):
            kubernetes.invoke("kubernetes:yaml:decode", {"text": "a: ["})

    @pytest.mark.parametrize(
        "token", ["kubernetes:helm:template", "kubernetes:kustomize:directory"]
    )
    def test_refuses_other_functions(self, kubernetes: Plugin, token: str) -> None:
        with pytest.raises(PluginFailedError, match=f"{token} is not supported by this stand-in"):
            kubernetes.invoke(token, {})

    def test_refuses_components_of_the_real_plugin(self, kubernetes: Plugin) -> None:
        with pytest.raises(PluginFailedError, match="is not supported by this stand-in"):
            kubernetes.construct("kubernetes:helm.sh/v4:Chart")

    def test_refuses_options_it_does_not_have(self, kubernetes: Plugin) -> None:
        refused = kubernetes.check_config(renderYamlToDirectory="out")

        assert refused == {
            "renderYamlToDirectory": "renderYamlToDirectory is not supported by this stand-in of "
            "the kubernetes plugin: it only applies objects to a cluster"
        }

    def test_an_interrupt_ends_it_while_it_waits(
        self, another: Plugin, api_server: ApiServer, namespace: str
    ) -> None:
        another.configure(kubeconfig=str(api_server.kubeconfig))
        with ThreadPoolExecutor() as threads:
            creating = threads.submit(another.create, DEPLOYMENT, "d", deployment("d", namespace))
            another.wait_until_said("waiting for the controller to see it")
            os.kill(another.process.pid, signal.SIGINT)
            with pytest.raises(PluginFailedError):
                creating.result(timeout=60)

        deadline = time.monotonic() + 60
        while another.process.running and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not another.process.running

    def test_ends_with_whoever_started_it(self, tmp_path: Path) -> None:
        script = f"{sys.executable} -u -m local.standins.kubernetes & echo $!; wait"
        shell = subprocess.Popen(["sh", "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert shell.stdout is not None
        started = int(shell.stdout.readline())
        assert shell.stdout.readline().strip().isdecimal()  # its port: it serves

        shell.send_signal(signal.SIGKILL)
        shell.wait()

        ended = threading.Event()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not ended.is_set():
            try:
                os.kill(started, 0)
                ended.wait(0.1)
            except ProcessLookupError:
                ended.set()
        assert ended.is_set()
