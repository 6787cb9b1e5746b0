"""What a Milvus release must be told to stand behind a Layer-7 load balancer, merged into what it was told before.

Two forms of the same change: a Helm release's user values, and the `user.yaml` of a ConfigMap that Helm does not own.
Helm replaces a string value whole, and `user.yaml` is one string, so it is merged here. The merge works on YAML nodes,
not on parsed values: a scalar that is not ours keeps its very spelling (`on`, `0755`, `"1"`), anchors stay anchors;
only comments and indentation are lost, and those only when the text has to change at all.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tasks.core import annotations as annotations_
from tasks.core.errors import ResourceFailed

Version = tuple[int, int]
"""Major and minor version of Milvus."""

USER_YAML = "user.yaml"
REST_PORT = 8080
"""Where the REST interface goes, as Milvus' own pages on TLS have it."""

_TLS_MODE = ("common", "security", "tlsMode")
_REST_PORT = ("proxy", "http", "port")
_REST_ENABLED = ("proxy", "http", "enabled")
_GRPC_PORT = ("proxy", "port")
SERVICE_TYPE, _ANNOTATION = "service.type", "service.annotations/"
"""Keys of `former_values`; the second is the beginning of one."""
_SETTINGS = {"user.yaml:common.security.tlsMode": _TLS_MODE, "user.yaml:proxy.http.port": _REST_PORT}
_SET_BY_US = dict(zip(_SETTINGS, (("1",), (str(REST_PORT), str(REST_PORT + 1))), strict=True))
_DEFAULT_GRPC_PORT = "19530"
_SHARED_PORT_IS_FATAL = (2, 5)
_FALSE = ("0", "f", "F", "FALSE", "false", "False")  # Go's strconv.ParseBool, which reads this key
_NULL = ("", "~", "null", "Null", "NULL")
_MAP, _STR, _NOTHING = (f"tag:yaml.org,2002:{kind}" for kind in ("map", "str", "null"))
_SECRET = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)
_ABSENT = "(absent)"


def milvus_version(image: str, app_version: str) -> Version | None:
    """Major and minor version of Milvus, by the image's tag, else by the chart's appVersion; None when unknown.

    >>> milvus_version("milvusdb/milvus:v2.4.5-gpu", ""), milvus_version("registry:5000/milvus@sha256:0f", "2.6.15")
    ((2, 4), (2, 6))
    >>> milvus_version("milvusdb/milvus:latest", "") is None
    True
    """
    name = image.partition("@")[0].rpartition("/")[2]  # a registry's port is no tag
    for text in (name.partition(":")[2], app_version):
        found = re.search(r"(?:^|[^\d.])v?(\d+)\.(\d+)(?:[^\d]|$)", text)
        if found:
            return int(found[1]), int(found[2])
    return None


def desired_values(
    current: Mapping[str, Any], *, annotations: Mapping[str, str], milvus_version: Version | None
) -> dict[str, Any]:
    """User values of the release with our part merged in; equal to `current` when nothing is missing.

    The Service becomes ClusterIP and gets `annotations` (others stay, ours win); `user.yaml` gets TLS, and the REST
    interface a port of its own where this Milvus version needs one. Everything else is kept.

    Args:
        current: the user values as `helm get values` has them; not changed.
        annotations: of the Service.
        milvus_version: see `milvus_version`; None is treated as new, since moving REST harms no older one.

    Raises:
        ResourceFailed: the values cannot be merged, or ask for mutual TLS.
    """
    values = copy.deepcopy(dict(current))
    if values.get("customConfigMap"):
        # milvus-helm templates/configmap.yaml: with it the chart renders no user.yaml at all.
        raise _refused(
            "values",
            f"customConfigMap is {values['customConfigMap']!r}, so the chart does not use extraConfigFiles",
            "Set common.security.tlsMode: 1 and proxy.http.port: 8080 in that ConfigMap, or run again with "
            "release_manager=manifest.",
            "CustomConfigMap",
        )
    service = _section(values, "service")
    service["type"] = "ClusterIP"
    service["annotations"] = {**_section(service, "annotations", "service."), **annotations}
    files = _section(values, "extraConfigFiles")
    text = files.get(USER_YAML)
    if text is not None and not isinstance(text, str):
        raise _refused("values", "extraConfigFiles.user.yaml is not text", "Make it a block of text: user.yaml: |+")
    files[USER_YAML] = desired_user_yaml(text, milvus_version)
    return values


def former_values(current: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, str | None]:
    """What the keys of ours that change say in `current`, None where they are missing; never any other key."""
    before, after = dict(_said(current)), dict(_said(desired))
    return {key: before.get(key) for key, text in after.items() if before.get(key) != text}


def former_settings(text: str | None, desired: str) -> dict[str, str | None]:
    """`former_values` of a `user.yaml` alone."""
    return former_values(_settings(text or ""), _settings(desired))


def annotation(key: str) -> str:
    """The key of an annotation among `former_values`."""
    return f"{_ANNOTATION}{key}"


def says_settings(former: Mapping[str, Any]) -> bool:
    """Whether `former_values` say anything of Milvus' own settings."""
    return bool(_SETTINGS.keys() & former.keys())


def former_annotations(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """`former_values` of a live Service's annotations."""
    return {
        annotation(key): present.get(key)
        for key, text in wanted.items()
        if not annotations_.same(key, present.get(key), text)
    }


def without_annotations(
    current: Mapping[str, Any], ours: Mapping[str, str], former: Mapping[str, str | None]
) -> dict[str, Any]:
    """User values without the Service annotations that say what `ours` say.

    One that said something before us says it again; one that somebody has changed since is theirs and stays.
    """
    values = copy.deepcopy(dict(current))
    present = service_annotations(values)
    for key, text in ours.items():
        if not annotations_.same(key, present.get(key), text):
            continue
        _put(values, ("service", "annotations", key), former.get(annotation(key)))
    return values


def as_before(current: Mapping[str, Any], former: Mapping[str, str | None]) -> dict[str, Any]:
    """User values with the Service's type, TLS and the REST port as they were.

    Keys not in `former` stay, and so does what somebody has changed since.
    """
    values = copy.deepcopy(dict(current))
    if SERVICE_TYPE in former and (values.get("service") or {}).get("type") == "ClusterIP":
        _put(values, ("service", "type"), former[SERVICE_TYPE])
    text = (values.get("extraConfigFiles") or {}).get(USER_YAML)
    if text is not None:
        _put(values, ("extraConfigFiles", USER_YAML), user_yaml_as_before(text, former) or None)
    return values


def user_yaml_as_before(text: str, former: Mapping[str, str | None]) -> str:
    """Text of `user.yaml` with TLS and the REST port as they were; the very same text when they are.

    Empty when nothing else stood in it.
    """
    root = _parse(text)
    for key, path in _SETTINGS.items():
        if key not in former or _find(root, path) not in _SET_BY_US[key]:
            continue
        value = former[key]
        root = _without(root, path) if value is None else _with(root, path, value)
    if not root.value:
        return ""
    if _find_all(root) == _find_all(_parse(text)):
        return text
    return yaml.serialize(root, Dumper=yaml.SafeDumper, width=10_000, allow_unicode=True)


def _find_all(root: yaml.MappingNode) -> dict[str, str | None]:
    return {key: _find(root, path) for key, path in _SETTINGS.items()}


def _said(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every key of ours that these values have, and what it says."""
    service = values.get("service")
    if isinstance(service, Mapping) and service.get("type") is not None:
        yield SERVICE_TYPE, str(service["type"])
    for key, said in service_annotations(values).items():
        yield annotation(key), said
    files = values.get("extraConfigFiles")
    text = files.get(USER_YAML) if isinstance(files, Mapping) else None
    if isinstance(text, str):
        for key, found in _find_all(_parse(text)).items():
            if found is not None:
                yield key, found


def _settings(text: str) -> dict[str, Any]:
    return {"extraConfigFiles": {USER_YAML: text}}


def _put(values: dict[str, Any], path: tuple[str, ...], value: str | None) -> None:
    """Set one value; None takes it away, and with it the sections that are empty then."""
    section = values.get(path[0])
    if len(path) == 1:
        if value is None:
            values.pop(path[0], None)
        else:
            values[path[0]] = value
        return
    if not isinstance(section, dict):
        if value is None:
            return
        section = values[path[0]] = {}
    _put(section, path[1:], value)
    if not section:
        del values[path[0]]


def service_annotations(values: Mapping[str, Any]) -> dict[str, str]:
    """Annotations of the Service in a release's user values; empty when they have none."""
    service = values.get("service")
    found = service.get("annotations") if isinstance(service, Mapping) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


def desired_user_yaml(text: str | None, version: Version | None) -> str:
    """Text of `user.yaml` with TLS on and REST moved where needed; the very same text when nothing is missing.

    Raises:
        ResourceFailed: the text is not one YAML mapping, or asks for mutual TLS.
    """
    root = _parse(text or "")
    missing = dict(_missing(root, version))
    if not missing:
        return text or ""
    for path, value in missing.items():
        root = _with(root, path, value)
    # A very long line keeps long scalars on it: a folded one is the same value, but a longer diff for a person.
    return yaml.serialize(root, Dumper=yaml.SafeDumper, width=10_000, allow_unicode=True)


@dataclass(frozen=True)
class Settings:
    """What a text of settings says about TLS and the ports; None where it says nothing, as Milvus' own defaults."""

    tls_mode: str | None
    rest_shares_the_port: bool
    """Whether REST would be served on the port of gRPC."""


def settings_of(text: str) -> Settings:
    """Read a `user.yaml`.

    Raises:
        ResourceFailed: it is not one YAML mapping.
    """
    root = _parse(text)
    return Settings(_find(root, _TLS_MODE), _rest_shares_the_port(root))


def shared_port_is_fatal(version: Version | None) -> bool:
    """Whether this Milvus refuses to start with TLS and REST on the port of gRPC; one that is unknown is taken for new.

    Source: milvus internal/distributed/proxy/listener_manager.go, from 2.5 on.
    """
    return version is None or version >= _SHARED_PORT_IS_FATAL


def differences(current: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
    """What an upgrade changes, for a person: `dotted.path: old → new`, one line each.

    Shown are only the values this module writes, and among those none whose key looks like a secret's; of any other
    difference only the path is named.
    """
    before, after = dict(_leaves(current)), dict(_leaves(desired))
    lines = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, _ABSENT), after.get(path, _ABSENT)
        if old != new:
            lines.append(f"{'.'.join(path)}: {_shown(path, old, new)}")
    return lines


def paths(values: Mapping[str, Any]) -> set[str]:
    """Dotted path of every value, those in `user.yaml` among them; one that cannot be read is a single value.

    >>> sorted(paths({"service": {"type": "ClusterIP"}, "extraConfigFiles": {"user.yaml": "log: {level: debug}"}}))
    ['extraConfigFiles.user.yaml.log.level', 'service.type']
    """
    try:
        return {".".join(path) for path, _ in _leaves(values)}
    except ResourceFailed:
        rest = {key: value for key, value in values.items() if key != "extraConfigFiles"}
        return {".".join(path) for path, _ in _leaves(rest)} | {f"extraConfigFiles.{USER_YAML}"}


def is_ours(path: str) -> bool:
    """Whether a dotted path is a value that we write ourselves."""
    prefix = f"extraConfigFiles.{USER_YAML}."
    if path.startswith(prefix):
        return _normal(path.removeprefix(prefix)) in _OUR_KEYS
    return path == SERVICE_TYPE or path.startswith("service.annotations.")


def setting(text: str, *path: str) -> str | None:
    """The scalar of a `user.yaml` at a path, as Milvus reads it; None without one, or where the text is no YAML."""
    try:
        return _find(_parse(text), path)
    except ResourceFailed:
        return None


def needs_rest_moved(text: str, version: Version | None) -> bool:
    """Whether this Milvus, with TLS on, refuses to start because REST shares the port of gRPC."""
    try:
        return any(path == _REST_PORT for path, _ in _missing(_parse(text), version))
    except ResourceFailed:
        return False


def _missing(root: yaml.MappingNode, version: Version | None) -> Iterator[tuple[tuple[str, ...], int]]:
    tls_mode = _find(root, _TLS_MODE)
    if tls_mode == "2":
        raise _refused(
            USER_YAML,
            "common.security.tlsMode is 2 (mutual TLS), but Google's load balancer presents no client certificate",
            "Set common.security.tlsMode to 1 in the values of the release, then run again.",
            "MilvusTls",
        )
    if tls_mode != "1":
        yield _TLS_MODE, 1
    if shared_port_is_fatal(version) and _rest_shares_the_port(root):
        # milvus internal/distributed/proxy/listener_manager.go: "tls mode must be 0" on a shared port.
        yield _REST_PORT, REST_PORT if _find(root, _GRPC_PORT) != str(REST_PORT) else REST_PORT + 1


def _rest_shares_the_port(root: yaml.MappingNode) -> bool:
    if _find(root, _REST_ENABLED) in _FALSE:
        return False
    return _find(root, _REST_PORT) in (None, *_NULL, _find(root, _GRPC_PORT) or _DEFAULT_GRPC_PORT)


def _parse(text: str) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it does not parse"
        raise _refused(USER_YAML, f"is not valid YAML{where}: {problem}", "Mend extraConfigFiles.user.yaml.") from None
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _NOTHING):
        return yaml.MappingNode(_MAP, [])
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        raise _refused(USER_YAML, f"is {kind}", "Make it keys and values, as milvus.yaml is.")
    return root


def _normal(key: str) -> str:
    # milvus pkg/config: keys are compared in lower case without separators, so tls_mode and "security.tlsMode" count.
    return re.sub(r"[/_.]", "", key.lower())


def _rest(key: yaml.Node, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """What is left of a path below a key that may stand for several of its parts; None when the key is another's."""
    name = _normal(key.value) if isinstance(key, yaml.ScalarNode) else ""
    for parts in range(1, len(path) + 1):
        if name == _normal("".join(path[:parts])):
            return path[parts:]
    return None


def _find(root: yaml.MappingNode, path: tuple[str, ...]) -> str | None:
    """Text of the scalar that Milvus reads at `path`, None without one."""
    found = None
    for key, value in root.value:
        rest = _rest(key, path)
        if rest == () and isinstance(value, yaml.ScalarNode):
            found = str(value.value)
        elif rest and isinstance(value, yaml.MappingNode):
            found = _find(value, rest) or found
    return found


def _without(root: yaml.MappingNode, path: tuple[str, ...]) -> yaml.MappingNode:
    """A copy without what stands at `path`, nor the mappings that are empty then."""
    pairs: list[tuple[yaml.Node, yaml.Node]] = []
    for key, value in root.value:
        rest = _rest(key, path)
        if rest == ():
            continue
        if rest and isinstance(value, yaml.MappingNode) and value.value:
            left = _without(value, rest)
            if left.value:
                pairs.append((key, left))
        else:
            pairs.append((key, value))
    return _mapping(root, pairs)


def _with(root: yaml.MappingNode, path: tuple[str, ...], value: int | str) -> yaml.MappingNode:
    """A copy with a scalar at `path`; the mappings along the way are copied too, since an alias may share them."""
    pairs = list(root.value)
    ways = [(place, rest) for place, (key, _) in enumerate(pairs) if (rest := _rest(key, path)) is not None]
    # The way that says something about this very key already, else the last one: a flat `a.b` may stand beside `a`.
    for place, rest in sorted(ways, key=lambda way: (_says(pairs[way[0]][1], way[1]), way[0]), reverse=True):
        key, old = pairs[place]
        if isinstance(old, yaml.MappingNode) and rest:
            pairs[place] = (key, _with(old, rest, value))
        elif isinstance(old, yaml.ScalarNode) and (not rest or old.tag == _NOTHING):
            pairs[place] = (key, _nested(rest, value))
        else:
            raise _refused(USER_YAML, f"{key.value} is not a mapping", "Mend extraConfigFiles.user.yaml.")
        return _mapping(root, pairs)
    if any(key.value == "<<" for key, _ in pairs):
        # A key beside a merge replaces what the merge brings under that key, and with it settings we never saw.
        raise _refused(USER_YAML, f"{'.'.join(path)} is missing where a merge key (<<) stands", "Write it there.")
    return _mapping(root, [*pairs, (yaml.ScalarNode(_STR, path[0]), _nested(path[1:], value))])


def _says(node: yaml.Node, rest: tuple[str, ...]) -> bool:
    return not rest or (isinstance(node, yaml.MappingNode) and _find(node, rest) is not None)


def _nested(path: tuple[str, ...], value: int | str) -> yaml.Node:
    if not path:
        # Text is what somebody wrote in a file: it means there what YAML reads in it.
        return yaml.compose(str(value), Loader=yaml.SafeLoader) or yaml.ScalarNode(_NOTHING, "")
    return yaml.MappingNode(_MAP, [(yaml.ScalarNode(_STR, path[0]), _nested(path[1:], value))], flow_style=False)


def _mapping(like: yaml.MappingNode, pairs: list[tuple[yaml.Node, yaml.Node]]) -> yaml.MappingNode:
    return yaml.MappingNode(like.tag, pairs, flow_style=like.flow_style and bool(like.value))


def _section(values: dict[str, Any], key: str, prefix: str = "") -> dict[str, Any]:
    """The mapping at a key, made if it is missing or null (Helm's way to delete)."""
    section = values.get(key)
    if section is None:
        section = {}
    if not isinstance(section, dict):
        raise _refused("values", f"{prefix}{key} is no mapping", f"Mend {prefix}{key} in the values of the release.")
    values[key] = section
    return section


def _refused(resource: str, observed: str, mend: str, cause: str = "ReleaseValues") -> ResourceFailed:
    return ResourceFailed(f"milvus {resource}", observed, mend, "milvus", cause)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif path == ("extraConfigFiles", USER_YAML) and isinstance(value, str):
        yield from _node_leaves(_parse(value), path)
    else:
        yield path, str(value)


def _node_leaves(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _node_leaves(value, (*path, str(key.value)))
    else:
        yield path, str(node.value)


def _shown(path: tuple[str, ...], old: str, new: str) -> str:
    ours = (
        path == ("service", "type")
        or path[:2] == ("service", "annotations")
        or (path[:2] == ("extraConfigFiles", USER_YAML) and _normal("".join(path[2:])) in _OUR_KEYS)
    )
    if not ours:
        return "changes"
    return "changes (hidden)" if _SECRET.search(path[-1]) else f"{old} → {new}"


_OUR_KEYS = tuple(_normal("".join(path)) for path in (_TLS_MODE, _REST_PORT))
