"""What test_node_gone.py runs in a network namespace of its own, with a clone's own node.

`python node_gone.py IMAGE ARCHIVE KUBECTL` prints what it saw as JSON. `wan` is the only way out of
the namespace: nobody is there, and its packets are counted.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import requests

from local import node
from local.node import cgroups, reach
from local.node.waiting import dns_answers
from local.paths import KUBECONFIG

T = TypeVar("T")

WAN = """\
link set lo up
link add wan type veth peer name far
address add 203.0.113.1/24 dev wan
link set wan up
link set far up
neighbour add 203.0.113.2 lladdr 02:00:00:00:00:02 dev wan nud permanent
route add default via 203.0.113.2
"""


def main(image: str, archive: str, kubectl: str) -> None:
    """Bring a node up, kill it under requests, end it, and print what happened."""
    for name in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    subprocess.run(["ip", "-batch", "-"], input=WAN, text=True, check=True)
    node.load(Path(archive))
    node.up()
    ask = [kubectl, "--kubeconfig", str(KUBECONFIG)]
    url = _deploy(ask, image)
    before = _sent()
    seen: dict[str, object] = {}
    # Killed, as by a crash: the bridge stays.
    with subprocess.Popen([*ask, "get", "pods", "--watch"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as watching:  # fmt: skip
        assert watching.stdout
        watching.stdout.readline()
        waits = _Waiting(f"{url}/wait")
        _until(lambda: waits.sent)
        for one in node.NODES:
            first = cgroups.first_process(one.name)
            if first:
                os.kill(first, signal.SIGKILL)
        killed_at = time.monotonic()
        watching.wait(timeout=120)
        seen["watch ended after"] = time.monotonic() - killed_at
        waits.thread.join(timeout=120)
        seen["request ended after"] = waits.ended_at - killed_at
        seen["request ended with"] = waits.ended_with
    seen["killed, a request"] = _failure(lambda: node.session().get(url, timeout=30))
    seen["killed, kubectl"] = _timed([*ask, "get", "pods"])
    # Ended in order, while a request waits: nothing is left.
    node.up()
    _until(lambda: node.session().get(url, timeout=30).ok)
    waits = _Waiting(f"{url}/wait")
    _until(lambda: waits.sent)
    ended_at = time.monotonic()
    node.down()
    waits.thread.join(timeout=120)
    seen["down, request ended after"] = waits.ended_at - ended_at
    seen["down, a request"] = _failure(lambda: node.session().get(url, timeout=30))
    seen["down, kubectl"] = _timed([*ask, "get", "pods"])
    network = node.own_network()
    seen["down, dns"] = dns_answers(network.dns, "kubernetes.default.svc", network.host)
    seen["left by the way out"] = _sent() - before
    # What any other program sends to a node's address does leave: the counter counts.
    with socket.socket() as other:
        other.setblocking(False)
        other.connect_ex((str(network.node), 80))
        _until(lambda: _sent() > before)
    seen["left in the end"] = _sent() - before
    print(json.dumps(seen))


class _Waiting:
    """A request that is under way."""

    def __init__(self, url: str) -> None:
        self.sent, self.ended_at, self.ended_with = False, 0.0, ""
        self.thread = threading.Thread(target=self._ask, args=(url,))
        self.thread.start()

    def _ask(self, url: str) -> None:
        with reach.session(node.own_network()) as session:
            response = session.get(url.replace("/wait", "/"), timeout=30)
            self.sent = response.ok
            try:
                session.get(url, timeout=600)
                self.ended_with = "an answer"
            except requests.RequestException as error:
                self.ended_with = str(error)
            self.ended_at = time.monotonic()


def _deploy(kubectl: list[str], image: str) -> str:
    """A deployment with a public address; its URL, once it answers."""
    for command in (
        ("create", "deployment", "web", f"--image={image}"),
        ("expose", "deployment/web", "--port=80", "--target-port=8080", "--type=LoadBalancer"),
        ("rollout", "status", "deployment/web", "--timeout=300s"),
    ):
        subprocess.run([*kubectl, *command], check=True, stdout=subprocess.DEVNULL)
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    asked = [*kubectl, "get", "service", "web", "-o", path]
    address = _until(lambda: subprocess.check_output(asked, text=True))
    _until(lambda: node.session().get(f"http://{address}/", timeout=30).ok)
    return f"http://{address}"


def _until(check: Callable[[], T], seconds: float = 120) -> T:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := check():
                return found
        except requests.RequestException:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(str(check))
        time.sleep(0.05)


def _failure(ask: Callable[[], object]) -> tuple[float, str]:
    """How long it takes to fail, and with what."""
    started = time.monotonic()
    try:
        ask()
    except requests.RequestException as error:
        return time.monotonic() - started, str(error)
    return time.monotonic() - started, "an answer"


def _timed(command: list[str]) -> tuple[float, str]:
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return time.monotonic() - started, done.stderr


def _sent() -> int:
    (wan,) = json.loads(subprocess.check_output(["ip", "-json", "-s", "link", "show", "wan"]))
    return int(wan["stats64"]["tx"]["packets"])


if __name__ == "__main__":
    main(*sys.argv[1:])
