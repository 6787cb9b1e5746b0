"""What the annotations of a Service and the rules of an Ingress refer to, read as the controller reads it.

Go's JSON is imitated where it matters: keys of a struct are found in any case, a value of another type is an error.
Source: ingress-gce pkg/annotations/service.go, cmd/check-gke-ingress/app/ingress/rule.go.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core import annotations, status
from tasks.core.checks.objects import Object

PROTOCOLS = ("HTTP", "HTTPS", "HTTP2")


class InvalidAnnotation(ValueError):
    """An annotation whose value cannot be understood; the text says why, without quoting it whole."""


@dataclass(frozen=True)
class Backend:
    """One path of an Ingress and where it leads; the default backend has no host and no path."""

    service: str
    port_name: str
    port_number: int
    host: str = ""
    path: str = ""
    path_type: str = ""
    is_default: bool = False

    @property
    def port(self) -> str:
        """The port as the Ingress writes it."""
        return self.port_name or str(self.port_number)


@dataclass(frozen=True)
class BackendConfigs:
    """Names of BackendConfigs: for every port, and by port name or number."""

    default: str
    ports: Mapping[str, str] | None

    @property
    def all(self) -> list[str]:
        """Every name once, the default first."""
        return list(dict.fromkeys([name for name in (self.default, *(self.ports or {}).values()) if name]))

    def of_port(self, name: str, number: int) -> str:
        """The one that serves a port; empty if none does."""
        ports = self.ports or {}
        return ports.get(name) or ports.get(str(number)) or self.default


def backends(ingress: Object) -> list[Backend]:
    """Every backend of the Ingress that is a Service, the default one first."""
    spec = ingress.get("spec") or {}
    found = [*_backend(spec.get("defaultBackend") or {}, is_default=True)]
    for rule in spec.get("rules") or []:
        for path in (rule.get("http") or {}).get("paths") or []:
            found += _backend(
                path.get("backend") or {},
                host=rule.get("host") or "",
                path=path.get("path") or "",
                path_type=path.get("pathType") or "",
            )
    return found


def _backend(backend: Object, **where: Any) -> Iterator[Backend]:
    if service := backend.get("service"):
        port = service.get("port") or {}
        yield Backend(service.get("name", ""), port.get("name") or "", port.get("number") or 0, **where)


def service_names(ingress: Object) -> list[str]:
    """Names of the Services that the Ingress leads to, each once."""
    return list(dict.fromkeys(backend.service for backend in backends(ingress)))


def find_port(service: Object, backend: Backend) -> Object | None:
    """The port of the Service that the Ingress names, by its name or its own number (not targetPort); None: none."""
    for port in (service.get("spec") or {}).get("ports") or []:
        if backend.port_name and port.get("name") == backend.port_name:
            return dict(port)
        if not backend.port_name and port.get("port") == backend.port_number:
            return dict(port)
    return None


def app_protocols(service: Object) -> tuple[str, dict[str, str]] | None:
    """The key that decides (the alpha one comes first) and its protocols by port name; None without either.

    Raises:
        InvalidAnnotation: no JSON object of texts. Whether the texts are protocols is not judged here.
    """
    marks = status.marks(service)
    for key in (annotations.ALPHA_APP_PROTOCOLS, annotations.APP_PROTOCOLS):
        if key in marks:
            return key, _texts(_object(key, marks[key]), key)
    return None


def backend_configs(service: Object) -> BackendConfigs | None:
    """What the annotation names (the GA key comes first); None without one.

    Raises:
        InvalidAnnotation: no JSON of the expected form.
    """
    marks = status.marks(service)
    for key in (annotations.BACKEND_CONFIG, annotations.BETA_BACKEND_CONFIG):
        if key in marks:
            parsed = _object(key, marks[key])
            default, ports = _field(parsed, "default"), _field(parsed, "ports")
            if not isinstance(default, str | None) or not isinstance(ports, dict | None):
                raise InvalidAnnotation(f"{key} is not of the form {_FORM[key]}")
            return BackendConfigs(default or "", None if ports is None else _texts(ports, key))
    return None


def neg_for_ingress(service: Object) -> bool | None:
    """Whether the NEG annotation turns container-native load balancing on; None without the annotation.

    Raises:
        InvalidAnnotation: no JSON of the expected form, such as "true" in quotes.
    """
    text = status.marks(service).get(annotations.NEG)
    if text is None:
        return None
    parsed = _object(annotations.NEG, text)
    on, ports = _field(parsed, "ingress"), _field(parsed, "exposed_ports")
    if not isinstance(on, bool | None) or not isinstance(ports, dict | None):
        raise InvalidAnnotation(f"{annotations.NEG} is not of the form {_FORM[annotations.NEG]}")
    return bool(on)


def names_in(value: str) -> list[str]:
    """A comma-separated list of names, trimmed, without empty ones.

    >>> names_in("zeta, alpha,")
    ['zeta', 'alpha']
    """
    return [name for part in value.split(",") if (name := part.strip())]


_FORM = {
    annotations.APP_PROTOCOLS: '{"milvus":"HTTP2"}',
    annotations.ALPHA_APP_PROTOCOLS: '{"milvus":"HTTP2"}',
    annotations.BACKEND_CONFIG: '{"default":"NAME"}',
    annotations.BETA_BACKEND_CONFIG: '{"default":"NAME"}',
    annotations.NEG: '{"ingress":true}',
}


def _object(key: str, text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        hint = "; the shell's quotes are in it" if text[:1] in "'\"" and text[-1:] == text[:1] else ""
        raise InvalidAnnotation(f"{key} is no JSON ({error}){hint}") from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise InvalidAnnotation(f"{key} is no JSON object such as {_FORM[key]}")
    return parsed


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _texts(parsed: Mapping[str, Any], key: str) -> dict[str, str]:
    if not all(isinstance(value, str) for value in parsed.values()):
        raise InvalidAnnotation(f"{key} is not of the form {_FORM[key]}: a value is no text")
    return dict(parsed)


def _field(parsed: Mapping[str, Any], name: str) -> Any:
    """A field of a Go struct: by its name, else by its name in another case."""
    if name in parsed:
        return parsed[name]
    return next((value for key, value in parsed.items() if key.lower() == name), None)
