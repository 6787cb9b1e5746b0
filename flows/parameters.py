"""A flow's parameters, taken from the configuration model, which stays their single source.

Prefect makes the form and the API's schema of a function's signature. A model as one parameter would nest them, so
the signature is built of the model's fields: flat, typed, with defaults; the texts come from the docstring's Args.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined


def of(model: type[BaseModel]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the decorated `**parameters` function the fields of `model` as its signature."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [_parameter(name, model) for name in model.model_fields]
        returns = inspect.signature(function).return_annotation
        function.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
        function.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": returns}
        lines = [f"    {name}: {_text(model, name)}" for name in model.model_fields]
        function.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Args:", *lines])
        return function

    return decorate


def _parameter(name: str, model: type[BaseModel]) -> inspect.Parameter:
    field = model.model_fields[name]
    default = inspect.Parameter.empty if field.default is PydanticUndefined else field.default
    annotation: Any = field.annotation
    for metadata in field.metadata:
        annotation = Annotated[annotation, metadata]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _text(model: type[BaseModel], name: str) -> str:
    return " ".join((model.model_fields[name].description or "").split())
