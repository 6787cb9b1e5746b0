"""Installs the Milvus release by Helm, in a process of its own.

Helm's Go library takes some 60 MB that the sandbox does not want to keep. The process is called `helm`, since Helm 4
applies under the name of its process: so the release is owned as if a person had installed it.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CHART = Path(__file__).parent / "chart"
_TIMEOUT_SECONDS = 120


class InstallFailed(Exception):
    """Helm did not install the release; the text is Helm's own."""


def install(kubeconfig: Path, chart: Path, release: str, namespace: str, values: dict[str, Any]) -> bool:
    """Install the release unless there is one of that name; True if it was installed now.

    Raises:
        InstallFailed: Helm refuses.
    """
    request = {
        "kubeconfig": str(kubeconfig),
        "chart": str(chart),
        "release": release,
        "namespace": namespace,
        "values": values,
    }
    child = subprocess.run(
        ["helm", "-m", "sandbox.chart_install"],
        executable=sys.executable,
        # Python finds its virtual environment by the name it was called by.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(each or "." for each in sys.path)},
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if child.returncode != 0:
        raise InstallFailed(f"helm cannot install {release} from {chart}: {child.stderr.strip()[-2000:]}")
    return bool(json.loads(child.stdout)["installed"])


def main() -> int:
    """Do what standard input asks."""
    import helm_python

    request = json.load(sys.stdin)
    config = helm_python.Config(kubeconfig_path=request["kubeconfig"], namespace=request["namespace"])
    with contextlib.closing(config):
        with contextlib.suppress(helm_python.HelmNotFoundError):
            config.status(request["release"])
            json.dump({"installed": False}, sys.stdout)
            return 0
        try:
            chart = helm_python.Chart.load(request["chart"])
            config.install(chart, request["release"], request["values"], create_namespace=True)
        except helm_python.HelmError as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            return 1
    json.dump({"installed": True}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
