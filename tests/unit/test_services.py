"""The config key `services`: what it declares, and one line for each thing that can be wrong."""

import json
from typing import Any

import pytest
from pulumi.runtime import rpc

import settings
from settings import Service
from tests.unit.test_program import Recorder, container, env, run_program, stopped_with
from tests.unit.test_settings import defaults, project_config

WEB = {"image": "registry.example/web:1", "port": 8080}
TWENTY: dict[str, Any] = {
    f"plain-{n:02}": {**WEB, "args": [f"-n={n}"], "env": {"N": str(n)}, "replicas": n}
    for n in range(1, 11)
} | {
    f"split-{n:02}": {
        **WEB,
        "versions": {"v1": {}, "v2": {"image": "registry.example/web:2"}, "v3": {"port": 9000}},
        "weights": {"v1": 100 - n, "v2": n},
    }
    for n in range(11, 21)
}
"""Twenty services, ten of them in three versions."""


def parse(services: object, **config: str) -> dict[str, Service]:
    entry = next(iter(services)) if isinstance(services, dict) and services else "hello"
    config = {**defaults(), "entryService": entry, **config, "services": json.dumps(services)}
    return {service.name: service for service in settings.parse(config).services}


def refused(services: object, **config: str) -> str:
    with pytest.raises(settings.SettingsError) as raised:
        parse(services, **config)
    said = str(raised.value)
    assert "\n" not in said
    return said


class TestSettings:
    def test_hello_and_world_are_the_default(self) -> None:
        assert set(project_config()["services"]["default"]) == {"hello", "world"}  # type: ignore[call-overload]
        hello, world = settings.parse({**defaults(), "canaryWeight": "10"}).services
        assert (hello.name, hello.is_split) == ("hello", False)
        assert (world.prefix, world.is_split) == ("/host/world", True)
        assert world.weights == {"world-v1": 90, "world-v2": 10}
        assert [one.env for one in world.deployments] == [
            {"TARGET_WORLD": "world"},
            {"TARGET_WORLD": "worldv2"},
        ]

    def test_twenty(self) -> None:
        found = parse(TWENTY)
        assert len(found) == 20
        assert sum(len(service.deployments) for service in found.values()) == 40
        assert found["split-20"].weights == {
            "split-20-v1": 80,
            "split-20-v2": 20,
            "split-20-v3": 0,
        }

    def test_a_version_inherits_what_it_does_not_say(self) -> None:
        shop = {
            "port": 80,
            "image": "shop:1",
            "args": ["-a"],
            "replicas": 2,
            "env": {"A": "1", "B": "1"},
            "versions": {"v1": {}, "v2": {"image": "shop:2", "args": [], "env": {"B": "2"}}},
        }
        one, two = parse({"shop": shop})["shop"].deployments
        assert (one.image, one.args, one.replicas, one.port) == ("shop:1", ("-a",), 2, 80)
        assert (two.image, two.args, two.replicas, two.port) == ("shop:2", (), 2, 80)
        assert (one.env, two.env) == ({"A": "1", "B": "1"}, {"A": "1", "B": "2"})

    def test_what_no_service_says_comes_from_the_stack(self) -> None:
        (web,) = parse({"web": {"port": 80}}, replicas="5", helloworldImage="x:1")[
            "web"
        ].deployments
        assert (web.image, web.replicas, web.args, web.env) == ("x:1", 5, (), {})

    def test_the_canarys_weight_moves_every_split_without_weights(self) -> None:
        two = {"versions": {"v1": {}, "v2": {}}, "port": 80}
        own = {**two, "weights": {"v1": 60, "v2": 40}}
        found = parse({"a": two, "b": own, "c": two}, canaryWeight="30")
        assert found["a"].weights == {"a-v1": 70, "a-v2": 30}
        assert found["b"].weights == {"b-v1": 60, "b-v2": 40}
        assert found["c"].weights == {"c-v1": 70, "c-v2": 30}

    @pytest.mark.parametrize(("text", "rest"), [("0.5", 99.5), ("33.33", 66.67), ("0.10", 99.9)])
    def test_the_canarys_weight_may_have_decimals(self, text: str, rest: float) -> None:
        two = {"versions": {"v1": {}, "v2": {}}, "port": 80}
        (a,) = parse({"a": two}, canaryWeight=text).values()
        assert a.weights == {"a-v1": rest, "a-v2": float(text)}
        assert a.baseline == "a-v1"

    @pytest.mark.parametrize(
        "weights",
        [
            {"v1": 33.33, "v2": 33.33, "v3": 33.34},
            {"v1": "99.5", "v2": 0.25, "v3": "0.25"},
            {"v1": 99.99, "v2": 0.01},
        ],
    )
    def test_weights_may_have_decimals(self, weights: dict[str, Any]) -> None:
        """Of a number with decimals `pulumi config set --path` makes a text."""
        versions: dict[str, Any] = {"v1": {}, "v2": {}, "v3": {}}
        (a,) = parse({"a": {"port": 80, "versions": versions, "weights": weights}}).values()
        assert a.weights == {f"a-{name}": float(weights.get(name, 0)) for name in versions}

    def test_one_version_takes_all(self) -> None:
        (web,) = parse({"web": {"port": 80, "versions": {"blue": {}}}}).values()
        assert (web.weights, web.is_split) == ({"web-blue": 100}, True)

    def test_a_prefix_of_its_own(self) -> None:
        (web,) = parse({"web": {"port": 80, "prefix": "/host/web.example.com:8080"}}).values()
        assert (web.prefix, web.is_split) == ("/host/web.example.com:8080", True)

    @pytest.mark.parametrize(
        ("service", "said"),
        [
            (5, ".web: a service is an object with image, port"),
            ({}, ".web.port: it is missing"),
            ({"prot": 80}, ".web.prot: a service has no such key, only image, port"),
            ({"port": "80"}, ".web.port is '80': it must be a whole number from 1 to 65535"),
            ({"port": 0}, ".web.port is 0: it must be a whole number from 1 to 65535"),
            ({"port": True}, ".web.port is True: it must be a whole number"),
            ({"port": 80, "replicas": 101}, ".web.replicas is 101: it must be a whole number"),
            ({"port": 80, "image": "a b"}, ".web.image is 'a b': it must be an image such as"),
            ({"port": 80, "image": 7}, ".web.image is 7: it must be an image such as"),
            ({"port": 80, "image": "a/B:1"}, ".web.image is 'a/B:1': it must be an image such as"),
            ({"port": 65536}, ".web.port is 65536: it must be a whole number from 1 to 65535"),
            ({"port": 80.5}, ".web.port is 80.5: it must be a whole number from 1 to 65535"),
            (
                {"port": 80, "memoryMb": 15},
                ".web.memoryMb is 15: it must be a whole",
            ),
            (
                {"port": 80, "runAsUser": -1},
                ".web.runAsUser is -1: it must be a whole",
            ),
            (
                {"port": 80, "runAsUser": "root"},
                ".web.runAsUser is 'root': it must be a",
            ),
            ({"port": 80, "writableRoot": "yes"}, ".web.writableRoot is 'yes': it must be true or"),
            ({"port": 80, "replicas": 0}, ".web.replicas is 0: it must be a whole number"),
            ({"port": 80, "replicas": "3"}, ".web.replicas is '3': it must be a whole number"),
            ({"port": 80, "args": [1]}, ".web.args: it must be a list of strings"),
            ({"port": 80, "args": ["\0"]}, ".web.args: an argument cannot hold the character"),
            ({"port": 80, "env": {"A": "\0"}}, ".env.A: a variable cannot hold the character NUL"),
            ({"port": 80, "env": {"1A": ""}}, ".env is '1A': a variable's name is of letters"),
            ({"port": 80, "env": {"..": ""}}, ".env is '..': a variable's name is of letters"),
            ({"port": 80, "env": {".": ""}}, ".env is '.': a variable's name is of letters"),
            ({"port": 80, "env": {"": ""}}, ".env is '': a variable's name is of letters"),
            ({"port": 80, "env": {"A": None}}, ".env.A: it must be a string: put it in quotes"),
            ({"port": 80, "prefix": "/host/Web"}, ".prefix is '/host/Web': it must be a name in"),
            ({"port": 80, "prefix": "/host/a/b"}, ".prefix is '/host/a/b': it must be a name in"),
            ({"port": 80, "prefix": "/host/ä"}, ".prefix is '/host/ä': it must be a name in"),
            ({"port": 80, "prefix": "/srv/web"}, ".prefix is '/srv/web': it must be a name in"),
            ({"port": 80, "versions": {"v" * 60: {}}}, "': it must be the name of a Kubernetes"),
            ({"port": 80, "versions": {"": {}}}, "is 'web-': it must be the name of a Kubernetes"),
            ({"port": 80, "versions": {"1.0": {}}}, "is 'web-1.0': it must be the name of a Kub"),
            ({"port": 80, "args": "-a"}, ".web.args: it must be a list of strings"),
            ({"port": 80, "env": []}, ".web.env: it must be an object"),
            ({"port": 80, "env": {"http_proxy": ""}}, ".env.http_proxy: the service has"),
            ({"port": 80, "env": {"A B": ""}}, ".env is 'A B': a variable's name is of letters"),
            ({"port": 80, "prefix": "web"}, ".prefix is 'web': it must be a name in the routing"),
            ({"port": 80, "prefix": "/host"}, ".prefix is '/host': it must be a name in the"),
            ({"port": 80, "weights": {}}, ".web.weights: there are no versions to weigh"),
            ({"port": 80, "versions": {}}, ".web.versions: it must be an object with a v"),
            ({"port": 80, "versions": {"v1": 1}}, ".versions.v1: a version is an object"),
            (
                {"port": 80, "versions": {"v1": {"weights": {}}}},
                ".v1.weights: a version has no such key",
            ),
            ({"port": 80, "versions": {"V1": {}}}, "is 'web-V1': it must be the name of a Kub"),
        ],
    )
    def test_a_wrong_service_is_one_line(self, service: object, said: str) -> None:
        line = refused({"web": service})
        assert line.startswith("config services.web")
        assert said in line

    def test_a_variables_value_is_not_shown(self) -> None:
        line = refused({"web": {"port": 80, "env": {"TOKEN": 5566778899}}})
        assert line == "config services.web.env.TOKEN: it must be a string: put it in quotes"

    @pytest.mark.parametrize(
        ("versions", "weights", "said"),
        [
            (("v1", "v2"), {"v1": 50, "v2": 49}, "the percents add up to 99, not to 100"),
            (("v1", "v2"), {"v1": 50, "v3": 50}, ".weights.v3: there is no such version"),
            (("v1", "v2"), {"v1": 99.5, "v2": 0.4}, "the percents add up to 99.9, not to 100"),
            (("v1", "v2"), {"v1": 110, "v2": -10}, "v1 is 110: it must be a percent from 0 to"),
            (("v1", "v2"), {"v1": 0.555, "v2": 99.5}, "v1 is 0.555: it must be a percent from 0"),
            (("v1", "v2"), {"v1": "1e1", "v2": 90}, "v1 is '1e1': it must be a percent from 0 to"),
            (("v1", "v2"), {"v1": True, "v2": 99}, "v1 is True: it must be a percent from 0 to"),
            (("v1", "v2"), {"v1": [50], "v2": 50}, "v1 is [50]: it must be a percent from 0 to"),
            (("v1", "v2"), [50, 50], "it must be an object with a percent by version"),
            (("v1", "v2", "v3"), None, "it is missing: a percent each of v1, v2 and v3"),
            (("v9", "v10"), None, "v10 and v9 do not sort as their numbers do"),
        ],
    )
    def test_wrong_weights_are_one_line(
        self, versions: tuple[str, ...], weights: object, said: str
    ) -> None:
        web = {"port": 80, "versions": {version: {} for version in versions}}
        assert said in refused({"web": web if weights is None else {**web, "weights": weights}})

    @pytest.mark.parametrize(
        ("services", "said"),
        [
            ([], "services must be an object with a service or more by name"),
            ({}, "services must be an object with a service or more by name"),
            ({"Web": WEB}, "services is 'Web': it must be the name of a Kubernetes service"),
            ({"1web": WEB}, "services is '1web': it must be the name of a Kubernetes service"),
            ({"a_b": WEB}, "services is 'a_b': it must be the name of a Kubernetes service"),
            ({"a" * 64: WEB}, "': it must be the name of a Kubernetes service"),
            (
                {"a-b": {"port": 80}, "a": {"port": 80, "versions": {"b": {}}}},
                "a and a-b would both run a-b",
            ),
            (
                {"a": {"port": 80}, "b": {"port": 80, "prefix": "/host/a"}},
                "the prefixes of a and b, /host/a and /host/a, overlap",
            ),
            (
                {"a": {"port": 80}, "b": {"port": 80, "prefix": "/svc/a"}},
                "the prefixes of a and b, /host/a and /svc/a, overlap",
            ),
        ],
    )
    def test_services_that_do_not_go_together_are_one_line(
        self, services: object, said: str
    ) -> None:
        assert said in refused(services, entryService="a")

    def test_what_is_set_replaces_the_default_services(self) -> None:
        """As `pulumi config set --path services.world.replicas 5` does."""
        assert refused({"world": {"replicas": 5}}) == (
            "config services.world.port: it is missing: a whole number from 1 to 65535; what is "
            "set under services takes the place of the default hello and world as a whole"
        )

    def test_a_weight_that_would_move_nothing_is_refused(self) -> None:
        assert "for it to move" in refused({"web": WEB}, canaryWeight="10")

    def test_an_entry_that_is_no_service_is_refused(self) -> None:
        assert "must be one of web" in refused({"web": WEB}, entryService="hello")


@pytest.fixture(scope="module")
def program() -> Recorder:
    return run_program({"services": json.dumps(TWENTY), "entryService": "plain-01"})


class TestProgram:
    def test_each_version_is_a_deployment_behind_a_headless_service(
        self, program: Recorder
    ) -> None:
        deployments = [one.name for one in program.made if one.typ.endswith(":Deployment")]
        services = [one.inputs["spec"] for one in program.made if one.typ.endswith("/v1:Service")]
        assert len(deployments) == 40 + 1, "and namerd"
        assert len([spec for spec in services if spec.get("clusterIP") == "None"]) == 40
        plain = program.get("Deployment", "plain-07")
        assert plain["spec"]["replicas"] == 7
        assert container(plain, "service")["args"] == ["-n=7"]
        assert env(container(plain, "service"))["N"] == "7"
        assert container(program.get("Deployment", "split-15-v2"), "service")["image"].endswith(
            ":2"
        )
        assert program.get("Service", "split-15-v3")["spec"]["ports"][0]["port"] == 9000

    def test_each_split_is_in_the_table(self, program: Recorder) -> None:
        splits = program.get("Dtab", "internal")["splits"]
        assert len(splits) == 10
        assert splits["/host/split-12"] == {
            "/srv/split-12-v1": 88,
            "/srv/split-12-v2": 12,
            "/srv/split-12-v3": 0,
        }

    def test_the_entry_is_where_the_outside_comes_in(self, program: Recorder) -> None:
        assert program.get("Dtab", "external")["dentries"][0] == (
            "/host => /#/io.l5d.k8s/hello-world/http/plain-01"
        )

    def test_an_entry_with_versions_is_split_at_the_edge(self) -> None:
        program = run_program({"services": json.dumps(TWENTY), "entryService": "split-11"})
        external = program.get("Dtab", "external")
        assert external["dentries"] == ["/svc/* => /host"]
        assert external["splits"] == {
            "/host": {
                "/#/io.l5d.k8s/hello-world/http/split-11-v1": 89,
                "/#/io.l5d.k8s/hello-world/http/split-11-v2": 11,
                "/#/io.l5d.k8s/hello-world/http/split-11-v3": 0,
            }
        }

    def test_secret_services_keep_what_their_pods_run_with_secret(self) -> None:
        hidden = {"image": "5ervice/web:1", "args": ["-t=5ervice"], "env": {"TOKEN": "5ervice"}}
        config = {"services": json.dumps({"web": {**WEB, **hidden}})}
        program = run_program({**config, "entryService": "web"}, secret=["services"])
        spec = program.get("Deployment", "web")["spec"]
        assert spec[rpc._special_sig_key] == rpc._special_secret_sig
        assert str(spec["value"]).count("5ervice") == 3
        assert "5ervice" not in str([one.inputs for one in program.made if one.name != "web"])

    def test_a_wrong_service_stops_the_program_with_one_line(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        said = stopped_with({"services": '{"web": {}}'}, caplog)
        assert said.startswith("config services.web.port: it is missing")
