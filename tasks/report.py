"""Tasks on the report: publish it as Prefect artifacts, on success and on failure alike."""

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from tasks import steps
from tasks.core import names, report
from tasks.core.config import LoadBalancerConfig
from tasks.core.report import Report


@steps.publishing("publish-report")
def publish_report(config: LoadBalancerConfig, finished: Report) -> None:
    """Publish Markdown, the table of resources, the JSON twin, and the link to the Cloud console."""

    def key(kind: str) -> str:
        return names.artifact(kind, config.release, config.namespace)

    create_markdown_artifact(report.markdown(finished), key=key("report"), description=_description(config, finished))
    create_markdown_artifact(
        f"```json\n{finished.as_json()}\n```", key=key("report-json"), description="The report for machines"
    )
    if finished.resources:
        table = [change.model_dump() for change in finished.resources]
        create_table_artifact(table, key=key("resources"), description=f"Resources of {config.domain}")
    if finished.console:
        create_link_artifact(finished.console, "The load balancer in the Cloud console", key=key("console"))


def _description(config: LoadBalancerConfig, finished: Report) -> str:
    ticket = f", ticket {config.ticket}" if config.ticket else ""
    return f"{config.domain}: {finished.verdict}{ticket}"
