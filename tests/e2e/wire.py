"""What goes over a node's network, byte by byte."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from local.node import Node, cgroups

# Runs in the node's network namespace and writes the content of each TCP segment from or to a
# port, until its input ends.
_PROGRAM = """
import os, select, socket, struct, sys
port, every_protocol = int(sys.argv[1]), 3
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(every_protocol))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
print("listening", file=sys.stderr, flush=True)
while True:
    ready, _, _ = select.select([wire, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    packet, (_, protocol, *_) = wire.recvfrom(1 << 16)
    if protocol != 0x0800 or packet[9] != socket.IPPROTO_TCP:
        continue
    segment = packet[(packet[0] & 15) * 4 : struct.unpack("!H", packet[2:4])[0]]
    if port in struct.unpack("!HH", segment[:4]):
        content = segment[(segment[12] >> 4) * 4 :]
        sys.stdout.buffer.write(content)
sys.stdout.buffer.flush()
"""


@dataclass
class Heard:
    """The content of all segments; complete once `listening` has ended."""

    content: bytes = b""


@contextmanager
def listening(node: Node, port: int) -> Iterator[Heard]:
    """Hear what a node's pods send to a TCP port of any pod, and what comes back."""
    first = cgroups.first_process(node.name)
    assert first is not None, f"{node.name} does not run"
    heard = Heard()
    with subprocess.Popen(
        ["nsenter", f"--target={first}", "--net", sys.executable, "-c", _PROGRAM, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == b"listening\n"
            yield heard
            heard.content, said = process.communicate()
            assert process.returncode == 0, said
        finally:
            process.kill()
