"""The list parameters `filter`, `orderBy`, `maxResults` and `pageToken` (pure).

Two filter languages are in use: comparison operators (`name = x AND labels.team != y`) and the older regular-expression
form that gcloud sends (`name eq "pattern"`), which matches the whole value.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from sandbox.compute.errors import invalid

Predicate = Callable[[dict[str, Any]], bool]
_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>[()]|!=|<=|>=|=|<|>|:)|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'"""
    r"""|(?P<word>[^\s()=!<>:"']+))"""
)
_MOST = 500


def page(
    resources: list[dict[str, Any]], *, expression: str, order_by: str, max_results: str, page_token: str
) -> tuple[list[dict[str, Any]], str]:
    """Filter, order and cut a list; return the page and the token of the next one, "" at the end."""
    matching = [each for each in resources if parse(expression)(each)] if expression else resources
    if order_by:
        key, _, direction = order_by.partition(" ")
        if key not in ("name", "creationTimestamp"):
            raise invalid("orderBy", order_by, "Invalid value for order by.", prefix="")
        matching = sorted(matching, key=lambda each: str(each.get(key, "")), reverse=direction.strip() == "desc")
    size = _size(max_results)
    start = _offset(page_token)
    rest = len(matching) > start + size
    return matching[start : start + size], _token(start + size) if rest else ""


def parse(expression: str) -> Predicate:
    """Compile a filter.

    >>> parse('name = "a*" AND status != IN_USE')({"name": "ab", "status": "RESERVED"})
    True
    """
    parser = _Parser(expression)
    predicate = parser.alternatives()
    if parser.rest():
        raise parser.fault()
    return predicate


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(expression.rstrip()):
            match = _TOKEN.match(expression, at)
            if match is None:
                raise self.fault()
            kind = match.lastgroup or "word"
            self._tokens.append(("text" if kind in ("double", "single") else kind, match[kind]))
            at = match.end()

    def fault(self) -> Exception:
        return invalid("filter", self._expression, "Invalid list filter expression.", prefix="")

    def rest(self) -> bool:
        return bool(self._tokens)

    def alternatives(self) -> Predicate:
        options = [self._conjunction()]
        while self._accept("word", "OR"):
            options.append(self._conjunction())
        return lambda resource: any(option(resource) for option in options)

    def _conjunction(self) -> Predicate:
        parts = [self._term()]
        # Terms that simply follow each other are joined by AND, as in `(a) (b)`.
        while self._tokens and self._tokens[0] not in (("word", "OR"), ("mark", ")")):
            self._accept("word", "AND")
            parts.append(self._term())
        return lambda resource: all(part(resource) for part in parts)

    def _term(self) -> Predicate:
        if self._accept("word", "NOT"):
            inner = self._term()
            return lambda resource: not inner(resource)
        if self._accept("mark", "("):
            inner = self.alternatives()
            if not self._accept("mark", ")"):
                raise self.fault()
            return inner
        field, operator, value = self._take(), self._take(), self._take()
        return _comparison(field[1], operator[1], value[1]) or self._refuse()

    def _refuse(self) -> Predicate:
        raise self.fault()

    def _accept(self, kind: str, text: str) -> bool:
        if self._tokens and self._tokens[0] == (kind, text):
            self._tokens.pop(0)
            return True
        return False

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise self.fault()
        return self._tokens.pop(0)


def _comparison(field: str, operator: str, value: str) -> Predicate | None:
    def values(resource: dict[str, Any]) -> list[Any]:
        node: Any = resource
        for step in field.split("."):
            node = node.get(step) if isinstance(node, dict) else None
        return node if isinstance(node, list) else [node]

    def equal(found: Any) -> bool:
        pattern = re.escape(value).replace(r"\*", ".*")
        return re.fullmatch(pattern, _text(found), re.DOTALL) is not None

    def matches(found: Any) -> bool:
        try:
            return re.fullmatch(value, _text(found), re.DOTALL) is not None
        except re.error:
            raise invalid("filter", value, "Invalid regular expression.", prefix="") from None

    tests: dict[str, Predicate] = {
        "=": lambda resource: any(equal(found) for found in values(resource)),
        "!=": lambda resource: not any(equal(found) for found in values(resource)),
        ":": lambda resource: any(value.rstrip("*").lower() in _text(found).lower() for found in values(resource)),
        "eq": lambda resource: any(matches(found) for found in values(resource)),
        "ne": lambda resource: not any(matches(found) for found in values(resource)),
        "<": lambda resource: any(_less(found, value) for found in values(resource)),
        ">": lambda resource: any(_less(value, found) for found in values(resource)),
        "<=": lambda resource: any(not _less(value, found) for found in values(resource)),
        ">=": lambda resource: any(not _less(found, value) for found in values(resource)),
    }
    return tests.get(operator)


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _less(left: Any, right: Any) -> bool:
    try:
        return float(left) < float(right)
    except (TypeError, ValueError):
        return _text(left) < _text(right)


def _size(max_results: str) -> int:
    if not max_results:
        return _MOST
    if not max_results.isdigit() or int(max_results) > _MOST:
        why = f"Value must be between 0 and {_MOST}, inclusive."
        raise invalid("maxResults", max_results, why, prefix="")
    return int(max_results) or _MOST


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"at:{offset}".encode()).decode()


def _offset(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("at:"))
    except ValueError:
        raise invalid("pageToken", token, "Invalid page token.", prefix="") from None
