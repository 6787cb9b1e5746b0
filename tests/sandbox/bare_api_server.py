"""An API server in a process of its own, standing in for a genuine kube-apiserver without anything beside it.

    python -m tests.sandbox.bare_api_server FOLDER

It writes FOLDER/kubeconfig once it serves, and ends with its standard input.
"""

import sys
from pathlib import Path

import yaml

from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube.server import KubernetesApi


def main(directory: Path) -> None:
    with KubernetesApi(directory, CertificateAuthority(), Faults(), bare=True) as api:
        unfinished = directory / "kubeconfig.new"
        unfinished.write_text(yaml.safe_dump(api.kubeconfig("somebody")))
        unfinished.rename(directory / "kubeconfig")
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
