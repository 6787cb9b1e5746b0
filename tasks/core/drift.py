"""What was asked for, what the cluster says and what Compute has, field by field."""

from pydantic import BaseModel, ConfigDict


class Deviation(BaseModel):
    """One field that is not everywhere as it was asked for.

    Attributes:
        resource: where it deviates, as kubectl writes it, or the tail of a Compute self-link.
        field: its name in Compute where Compute has it, else its path in the object.
        intent: the value asked for.
        cluster: the value in the cluster's object; "" where the cluster has no such field, or was not looked at.
        compute: the value in Compute; "" where Compute has no such field, or was not looked at.
        mend: what to do about it, a command where there is one.
    """

    model_config = ConfigDict(frozen=True)

    resource: str
    field: str
    intent: str
    cluster: str = ""
    compute: str = ""
    mend: str = ""
