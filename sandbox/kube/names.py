"""What names, labels and annotations may look like (`k8s.io/apimachinery/pkg/util/validation`)."""

import re
from typing import Any

from sandbox.kube.errors import Cause
from sandbox.kube.structural import quoted

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_WORD = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_LONGEST_LABEL = 63
_ANNOTATIONS_BYTES = 256 * 1024


def subdomain(value: str) -> str | None:
    """The complaint about a value that is no DNS-1123 subdomain, None if it is one."""
    if len(value) > 253:
        return "must be no more than 253 bytes"
    if re.fullmatch(_SUBDOMAIN, value):
        return None
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        f"'{_SUBDOMAIN}')"
    )


def label(value: str) -> str | None:
    if len(value) > _LONGEST_LABEL:
        return "must be no more than 63 bytes"
    if re.fullmatch(_LABEL, value):
        return None
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
    )


def label_1035(value: str) -> str | None:
    if len(value) > _LONGEST_LABEL:
        return "must be no more than 63 bytes"
    if re.fullmatch(_LABEL_1035, value):
        return None
    return (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        f"is '{_LABEL_1035}')"
    )


def wildcard_subdomain(value: str) -> str | None:
    if re.fullmatch(rf"\*\.{_SUBDOMAIN}", value):
        return None
    return (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
        rf"regex used for validation is '\*\.{_SUBDOMAIN}')"
    )


def path_segment(value: str) -> str | None:
    """Names of RBAC objects may be anything that fits into a URL's path."""
    if value in (".", ".."):
        return f"may not be '{value}'"
    found = next((each for each in "/%" if each in value), None)
    return f"may not contain '{found}'" if found else None


def qualified(value: str) -> str | None:
    prefix, slash, name = value.rpartition("/")
    if slash and "/" in prefix:
        return f"{_QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    if slash and (fault := subdomain(prefix) if prefix else "prefix part must be non-empty"):
        return f"prefix part {fault}"
    if not name:
        return "name part must be non-empty"
    if len(name) > _LONGEST_LABEL:
        return "name part must be no more than 63 bytes"
    return None if re.fullmatch(_WORD, name) else f"name part {_QUALIFIED}"


_QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def label_value(value: str) -> str | None:
    if len(value) > _LONGEST_LABEL:
        return "must be no more than 63 bytes"
    if not value or re.fullmatch(_WORD, value):
        return None
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )


def config_key(value: str) -> str | None:
    if re.fullmatch(_CONFIG_KEY, value) and value not in (".", ".."):
        return None
    return (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME', "
        f" or 'key-name', regex used for validation is '{_CONFIG_KEY}')"
    )


def invalid(path: str, value: Any, text: str) -> Cause:
    return Cause(path, "FieldValueInvalid", f"Invalid value: {quoted(value)}: {text}")


def required(path: str, text: str = "") -> Cause:
    return Cause(path, "FieldValueRequired", "Required value" + (f": {text}" if text else ""))


def forbidden(path: str, text: str) -> Cause:
    return Cause(path, "FieldValueForbidden", f"Forbidden: {text}")


def unsupported(path: str, value: Any, *supported: str) -> Cause:
    listed = ", ".join(quoted(each) for each in sorted(supported))
    return Cause(path, "FieldValueNotSupported", f"Unsupported value: {quoted(value)}: supported values: {listed}")


def duplicate(path: str, value: Any) -> Cause:
    return Cause(path, "FieldValueDuplicate", f"Duplicate value: {quoted(value)}")


def labels(path: str, found: dict[str, str]) -> list[Cause]:
    faults = [invalid(path, key, fault) for key in found if (fault := qualified(key))]
    return faults + [invalid(path, value, fault) for value in found.values() if (fault := label_value(value))]


def annotations(path: str, found: dict[str, str]) -> list[Cause]:
    faults = [invalid(path, key, fault) for key in found if (fault := qualified(key.lower()))]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in found.items())
    if size > _ANNOTATIONS_BYTES:
        text = f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes"
        faults.append(Cause(path, "FieldValueTooLong", text))
    return faults
