"""settings.analysis: every wrong value is one line with its place and what is allowed."""

import json
from dataclasses import fields

import pytest

import settings
from canary.analysis.limits import Limits
from settings import analysis
from tests.unit.test_settings import ROOT, defaults, project_config


def read(**given: object) -> Limits:
    return analysis.read(json.dumps(given))


def test_by_default_the_limits_are_those_of_the_documentation() -> None:
    found = settings.parse(defaults()).canary_analysis
    assert found == Limits()
    assert found.steps == (1, 5, 10, 25, 50, 100)
    assert (found.interval, found.scrape, found.max_hold) == (60, 10, 600)
    assert found.evidence_limit == 400
    assert found.max_failure_rate == pytest.approx(0.01)


def test_every_key_is_read() -> None:
    found = read(
        interval="2m",
        scrape="30s",
        steps=[0.5, 10, "33.33"],
        minSuccessRate=99.5,
        maxLatencyMs=250,
        oddsMargin=2,
        minEffectPoints=0.1,
        latencyMargin=1.5,
        latencyMarginMs=10,
        falseAlarmRate=0.001,
        minRequests=50,
        onNoData="abort",
        maxHold="1h",
        scrapeErrors=2,
        prometheus="monitoring/prometheus:9090",
        prometheusSelector='cluster="prod"',
    )
    assert found == Limits(
        120, 30, (0.5, 10, 33.33), 99.5, 250, 2, 0.1, 1.5, 10, 0.001, 50, "abort", 3600, 2,
        "monitoring/prometheus:9090", 'cluster="prod"',
    )  # fmt: skip
    assert all(getattr(found, field.name) != field.default for field in fields(Limits))


def test_what_config_set_path_makes_strings_of_is_read_too() -> None:
    assert read(minSuccessRate="99.5", minRequests="7", steps="1,10,100") == Limits(
        min_success_rate=99.5, min_requests=7, steps=(1, 10, 100)
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://prometheus.example.com",
        "http://10.0.0.7:9090/prometheus",
        "http://[fd00::7]:9090",
        "monitoring/prometheus:9090",
        "monitoring/kube-prometheus-prometheus:http-web",
        "",
    ],
)
def test_a_prometheus_is_a_url_or_a_service(address: str) -> None:
    assert read(prometheus=address).prometheus == address


def test_the_slash_at_the_end_of_a_url_is_left_out() -> None:
    found = read(prometheus="https://a.example/prometheus/", prometheusSelector='a="b", c=~"d|e"')
    assert found.prometheus == "https://a.example/prometheus"
    assert found.prometheus_selector == 'a="b", c=~"d|e"'


def test_every_key_is_described_in_the_project_file_and_on_the_page() -> None:
    description = str(project_config()["canaryAnalysis"]["description"])
    page = (ROOT / "docs" / "analysis.md").read_text()
    for key in analysis.KEYS:
        assert key in description
        assert f"`{key}`" in page


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"interval": "9s"}, r"canaryAnalysis.interval is '9s': .* from 10s to 24h, such as 60s"),
        ({"interval": 60}, r"canaryAnalysis.interval is 60: it must be a time"),
        ({"interval": "1d"}, "it must be a time"),
        ({"interval": "60 s"}, "it must be a time"),
        ({"interval": None}, "it must be a time"),
        ({"interval": "20s", "scrape": "30s"}, "scrape is 30s: it must not be longer .* 20s"),
        ({"scrape": "0s"}, "from 1s to 10m"),
        ({"steps": []}, "it must be percents from 0.01 to 100"),
        ({"steps": [10, 5]}, "each higher than the one before"),
        ({"steps": [5, 5]}, "each higher"),
        ({"steps": [0, 5]}, "each higher"),
        ({"steps": [5, 101]}, "each higher"),
        ({"steps": [0.001, 5]}, "each higher"),
        ({"steps": [True]}, "each higher"),
        ({"steps": {"a": 1}}, "each higher"),
        ({"steps": "1,,5"}, "each higher"),
        ({"minSuccessRate": 100}, "from 1 to 99.999"),
        ({"minSuccessRate": "NaN"}, "it must be a number"),
        ({"minSuccessRate": True}, "it must be a number"),
        ({"minSuccessRate": -1}, "it must be a number"),
        ({"maxLatencyMs": 0.5}, "a whole number from 1 to"),
        ({"oddsMargin": 0.9}, "from 1 to 100"),
        ({"minEffectPoints": 51}, "from 0 to 50"),
        ({"latencyMargin": 0}, "from 1 to 100"),
        ({"latencyMarginMs": -1}, "a whole number from 0"),
        ({"falseAlarmRate": 0}, "from 0.0001 to 0.2"),
        ({"falseAlarmRate": 0.5}, "from 0.0001 to 0.2"),
        ({"minRequests": 0}, "a whole number from 1"),
        ({"minRequests": [1]}, "a whole number from 1"),
        ({"onNoData": "stay"}, "it must be hold or go or abort"),
        ({"maxHold": "8s"}, "from 10s to 168h"),
        ({"scrapeErrors": 0}, "from 1 to 100"),
        (
            {"prometheus": "prometheus"},
            "URL such as https://.* namespace/service:port",
        ),
        ({"prometheus": "monitoring/prometheus"}, "it must be a URL"),
        ({"prometheus": "monitoring/prometheus:0"}, "it must be a URL"),
        ({"prometheus": "monitoring/prometheus:65536"}, "it must be a URL"),
        ({"prometheus": "monitoring/prometheus:-web"}, "it must be a URL"),
        ({"prometheus": "Monitoring/prometheus:web"}, "it must be a URL"),
        ({"prometheus": "ftp://prometheus"}, "it must be a URL"),
        ({"prometheus": "https://"}, "it must be a URL"),
        ({"prometheus": "https://:9090"}, "it must be a URL"),
        ({"prometheus": "https://a:99999"}, "it must be a URL"),
        ({"prometheus": "https://ann:secret@a"}, "is 'https://…@a': .* without a password"),
        ({"prometheus": "https://a?token=b"}, "it must be a URL"),
        ({"prometheus": 9090}, "it must be a URL"),
        ({"prometheusSelector": "prod"}, 'label matchers of Prometheus, such as cluster="prod"'),
        ({"prometheusSelector": 'cluster="prod"} or up{a="b"'}, "label matchers"),
        ({"Interval": "60s"}, r"canaryAnalysis.Interval: there is no such key, only interval, "),
    ],
)
def test_a_wrong_value_is_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(settings.SettingsError, match=message) as raised:
        settings.parse({**defaults(), "canaryAnalysis": json.dumps(given)})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "credentials",
    [
        "https://ann:secret",
        "https://ann:" + "secret" * 60,
        "https://ann:secret/" + "secret" * 60,
        "ann:secret",
    ],
)
def test_no_part_of_a_password_is_shown(credentials: str) -> None:
    address = f"{credentials}@prometheus.example.com"
    for text in (json.dumps({"prometheus": address}), json.dumps([address]), address):
        with pytest.raises(settings.SettingsError) as raised:
            analysis.read(text)
        assert "secret" not in str(raised.value)
        assert "…@prometheus.example.com" in str(raised.value)


@pytest.mark.parametrize("text", ["", "[]", "60s", "null", "{"])
def test_a_value_that_is_no_object_is_one_line(text: str) -> None:
    with pytest.raises(settings.SettingsError, match="it must be an object such as"):
        analysis.read(text)
