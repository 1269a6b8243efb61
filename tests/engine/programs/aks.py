"""The cluster that the config in $CONFIG asks for, and a ConfigMap with $WEIGHT on it."""

import json
import os

import pulumi
import pulumi_kubernetes as k8s

import settings
from infra.platform import cluster_of
from kube.errors import OneLineError

try:
    secret = os.environ.get("SECRET", "").split()
    cluster = cluster_of(settings.parse(json.loads(os.environ["CONFIG"]), secret))
except (settings.SettingsError, OneLineError) as error:
    raise pulumi.RunError(str(error)) from None
k8s.core.v1.ConfigMap(
    "settings",
    metadata={"name": os.environ["NAME"], "namespace": "default"},
    data={"weight": os.environ.get("WEIGHT", "10")},
    opts=pulumi.ResourceOptions(provider=cluster.provider, deleted_with=cluster.made),
)
