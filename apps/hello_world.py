"""hello, which asks world through the mesh, and world in two versions."""

import pulumi

from apps.service import HttpService


class HelloWorld(pulumi.ComponentResource):
    """hello, world-v1 and world-v2 in `namespace`, `replicas` pods each.

    hello answers `Hello (IP) world (IP)!!`, its second half from whichever world the routing table
    chose; world-v2 says `worldv2`.
    """

    def __init__(
        self,
        namespace: str,
        image: str,
        replicas: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("linkerd-canary:apps:HelloWorld", "hello-world", {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        hello_args = ["-addr=:7777", "-text=Hello", "-target=world"]
        HttpService("hello", namespace, image, 7777, replicas, hello_args, opts=child)
        for name, text in (("world-v1", "world"), ("world-v2", "worldv2")):
            env = {"TARGET_WORLD": text}
            HttpService(name, namespace, image, 7778, replicas, ["-addr=:7778"], env, opts=child)
        self.register_outputs({})
