"""The sandbox's page tells of every fault that there is."""

import re
from pathlib import Path

from sandbox.faults import CATALOGUE

PAGE = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text()


def test_the_table_of_faults_is_the_catalogue() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (?:`(.*?)`)? ?\|", PAGE, re.MULTILINE)

    told = {
        name: dict(each.partition("=")[::2] for each in re.split(r" (?=\w+=)", text) if each) for name, text in rows
    }

    assert told == {
        name: {key: str(value) for key, value in kind.parameters.items()} for name, kind in CATALOGUE.items()
    }


def test_the_page_says_first_what_it_is_not() -> None:
    assert "not Google Cloud" in PAGE.splitlines()[2]
