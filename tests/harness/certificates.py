"""The certificates and kubeconfigs of a test's cluster, made by kubeadm."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

ADVERTISED = "203.0.113.1"
"""What the API server says its address is; it may not be loopback. Of TEST-NET-3 (RFC 5737)."""

SERVICES = "10.255.0.0/24"
"""Where the cluster's service addresses are from; nothing routes them."""


class Authority:
    """A cluster's certificate authority, and what it signs."""

    def __init__(self, kubeadm: Path, folder: Path, port: int) -> None:
        self._kubeadm = kubeadm
        self._folder = folder
        self._configuration = folder / "kubeadm.yaml"
        self._configuration.write_text(f"""\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {ADVERTISED}, bindPort: {port}}}
nodeRegistration: {{name: loopback}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.34.4
certificatesDir: {self.pki}
encryptionAlgorithm: ECDSA-P256
controlPlaneEndpoint: 127.0.0.1:{port}
networking: {{serviceSubnet: {SERVICES}}}
apiServer: {{certSANs: [127.0.0.1, localhost]}}
""")
        for part in ("ca", "apiserver", "sa"):
            self._run("init", "phase", "certs", part)

    @property
    def pki(self) -> Path:
        """The folder of ca.crt, apiserver.crt, apiserver.key, sa.key, sa.pub and ca.key."""
        return self._folder / "pki"

    def kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Write a kubeconfig whose client certificate names this user and its groups."""
        organizations = [f"--org={group}" for group in groups]
        text = self._run("kubeconfig", "user", f"--client-name={user}", *organizations)
        path = self._folder / f"{user.replace(':', '-').replace('/', '-')}.kubeconfig"
        path.write_text(text)
        path.chmod(0o600)
        return path

    def _run(self, *arguments: str) -> str:
        command: list[str | Path] = [self._kubeadm, *arguments, "--config", self._configuration]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"kubeadm {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout
