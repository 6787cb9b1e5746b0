"""What Go's encoding/json says about malformed JSON, since controllers show it to the user.

Source: Go encoding/json (scanner.go, decode.go). Simpler: the wordings that a hand-written map of strings can lead to.
"""

import json
from typing import Any

_CONTEXT = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ',' delimiter": "after object key:value pair",
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
}


def unmarshal_error(text: str, target: str, *, wants: type = dict) -> str | None:
    r"""The error of unmarshalling `text` into a Go value of type `target`; None if that works.

    >>> unmarshal_error("'{}'", "map[string]string")
    "invalid character '\\'' looking for beginning of value"
    >>> unmarshal_error("[]", "map[string]string")
    'json: cannot unmarshal array into Go value of type map[string]string'
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].lstrip()
        if not rest:
            return "unexpected end of JSON input"
        return f"invalid character {_quote(rest[0])} {_CONTEXT.get(error.msg, 'in string literal')}"
    if value is None or isinstance(value, wants):
        return None
    return f"json: cannot unmarshal {_kind(value)} into Go value of type {target}"


def _quote(character: str) -> str:
    return {"'": r"'\''", '"': "'\"'"}.get(character, f"'{character}'")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return {str: "string", int: "number", float: "number", list: "array", dict: "object"}[type(value)]
