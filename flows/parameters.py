"""A flow's parameters, taken from the configuration model, which stays their single source.

Prefect makes the form and the API's schema of a function's signature. A model as one parameter would nest them, so
the signature is built of the model's fields: flat, typed, with defaults; the texts come from the docstring's Args.
Prefect replaces the title of every parameter by its name. What a field adds to its JSON schema comes after that and
wins, so the labels travel there; nothing has to be mended on the server after a deploy.
"""

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic_core import PydanticUndefined

_FIRST = (
    "domain",
    "certificate_mode",
    "release",
    "namespace",
    "ticket",
    "project",
    "gke_cluster",
    "gke_location",
    "dns_managed_zone",
)
"""What a newcomer has to look at, in this order; the form shows everything else below, as the model has it."""


def of(model: type[BaseModel], without: Collection[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the decorated `**parameters` function the fields of `model` as its signature, but for those `without`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        ordered = [name for name in order(model) if name not in without]
        parameters = [_parameter(name, model) for name in ordered]
        returns = inspect.signature(function).return_annotation
        function.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
        function.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": returns}
        lines = [f"    {name}: {_text(model, name)}" for name in ordered]
        function.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Args:", *lines])
        return function

    return decorate


def order(model: type[BaseModel]) -> list[str]:
    """Return the model's fields as the form shows them."""
    first = [name for name in _FIRST if name in model.model_fields] if "domain" in model.model_fields else []
    return [*first, *(name for name in model.model_fields if name not in first)]


def _parameter(name: str, model: type[BaseModel]) -> inspect.Parameter:
    field = model.model_fields[name]
    default = inspect.Parameter.empty if field.default is PydanticUndefined else field.default
    annotation: Any = field.annotation
    for metadata in field.metadata:
        annotation = Annotated[annotation, metadata]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, _shown(model, name)]
    )


def _shown(model: type[BaseModel], name: str) -> Any:
    """The label, and what the field says of itself in JSON schema beyond its type."""
    field = model.model_fields[name]
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return Field(json_schema_extra={"title": field.title or name.replace("_", " ").capitalize(), **extra})


def _text(model: type[BaseModel], name: str) -> str:
    """The field's help, with its examples: neither form of Prefect shows those of a schema."""
    field = model.model_fields[name]
    examples = f" For example: {', '.join(field.examples)}" if field.examples else ""
    return " ".join((field.description or "").split()) + examples
