"""A Prefect progress artifact, which a server that is away does not turn into a failure."""

from typing import Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks import steps


class ProgressArtifact:
    """Made when it is shown for the first time, updated afterwards.

    Args:
        key: of the artifact: lower case, digits and dashes.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._made: Any = None

    @property
    def shown(self) -> bool:
        """Whether there is one."""
        return self._made is not None

    def show(self, percent: float, description: str) -> None:
        """Say how far it is, 0 to 100, in Markdown; when Prefect does not take it, the log says so."""
        try:
            if self._made is None:
                self._made = create_progress_artifact(percent, key=self._key, description=description)
            else:
                update_progress_artifact(self._made, progress=percent, description=description)
        except Exception as error:  # Prefect's server is away: what is shown goes on
            steps.logger().warning("The progress of %s could not be shown: %s", self._key, type(error).__name__)
