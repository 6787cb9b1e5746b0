"""What somebody who followed the published guide by hand has, and what of it has to be repaired (user-needs.md §1K)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Gap(BaseModel):
    """One gap of the guide, found in what stands there.

    Attributes:
        number: of the row in user-needs.md §1K, 1 to 11.
        seen: what was found.
        repair: what this run does about it, or what is left to do.
        by: who repairs it: "provision", or "you" where only a person can.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    seen: str
    repair: str
    by: Literal["provision", "you"] = "provision"
