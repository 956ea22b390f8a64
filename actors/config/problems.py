"""What is wrong with a configuration, said in the words of the file: where, what, and what to do."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from actors.config.fields import Misfit
from actors.config.vocabulary import did_you_mean
from actors.domain.errors import Problem

Location = tuple[str | int, ...]

_PLAIN_KEY: Final = re.compile(r"[\w$-]+")
_SHOWN_CHARS: Final = 60
_MESSAGES: Final = {
    "missing": "is required",
    "int_type": "must be a whole number, not {got}",
    "int_from_float": "must be a whole number, not {got}",
    "float_type": "must be a number, not {got}",
    "finite_number": "must be a finite number, not {got}",
    "bool_type": "must be true or false, not {got}",
    "string_type": "must be a text, not {got}",
    "string_too_short": "must not be empty",
    "string_too_long": "must not be longer than {max_length} characters",
    "date_type": 'must be a date such as "2025-07-02", not {got}',
    "date_parsing": 'must be a date such as "2025-07-02", not {got}',
    "date_from_datetime_parsing": 'must be a date such as "2025-07-02", not {got}',
    "date_from_datetime_inexact": 'must be a date such as "2025-07-02", not {got}',
    "tuple_type": "must be a list, not {got}",
    "list_type": "must be a list, not {got}",
    "too_short": "must not be empty",
    "dict_type": "must be an object, not {got}",
    "model_type": "must be an object, not {got}",
    "greater_than": "must be above {gt:g}, not {got}",
    "greater_than_equal": "must be at least {ge:g}, not {got}",
    "less_than": "must be below {lt:g}, not {got}",
    "less_than_equal": "must be at most {le:g}, not {got}",
    "literal_error": "must be {expected}, not {got}",
    "json_invalid": "{error}",
}


def json_path(location: Location) -> str:
    """Write a location as people do: `a.b[0].c`."""
    return "".join(_path_part(part) for part in location).removeprefix(".")


def _path_part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) else f".{json.dumps(part)}"


def problems_of(error: ValidationError, document: object, model: type[BaseModel]) -> tuple[Problem, ...]:
    """Translate what pydantic found in `document`, one problem for each place."""
    found = dict(_translated(details, document, model) for details in error.errors())
    return tuple(Problem(where, message) for where, message in found.items())


def _translated(details: ErrorDetails, document: object, model: type[BaseModel]) -> tuple[str, str]:
    location = _in_document(details, document)
    misfit = details.get("ctx", {}).get("error")
    if isinstance(misfit, Misfit):
        return json_path((*location, *misfit.where)), str(misfit)
    return json_path(location), _message(details, location, model)


def _message(details: ErrorDetails, location: Location, model: type[BaseModel]) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return f"unknown key; {_known_keys(location, model, details['loc'])}"
        case "union_tag_invalid" | "union_tag_not_found":
            return _kinds(details["type"], context)
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return _MESSAGES["literal_error"].format(**context, got=_shown(details, location)) + _hint(
                details
            )
        case kind:
            text = _MESSAGES.get(kind, details["msg"])
            return text.format(**context, got=_shown(details, location)) if kind in _MESSAGES else text


def _kinds(problem: str, context: Mapping[str, Any]) -> str:
    """Say which kinds of an object there are."""
    known = re.findall(r"'([^']*)'", context.get("expected_tags", ""))
    name = context["discriminator"].strip("'")
    if problem == "union_tag_not_found":
        return f'needs a "{name}" that says which kind it is'
    hint = did_you_mean(context["tag"], known)
    return f'there is no {name} "{context["tag"]}"; {hint}'


def _hint(details: ErrorDetails) -> str:
    words = re.findall(r"'([^']*)'", details["ctx"]["expected"])
    hint = did_you_mean(str(details["input"]), words)
    return f"; {hint}" if hint.startswith("did") else ""


def _shown(details: ErrorDetails, location: Location) -> str:
    if location[:1] == ("api_config",):
        return "something else"
    text = json.dumps(details["input"], ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _in_document(details: ErrorDetails, document: object) -> Location:
    """Drop from pydantic's location what is not in the document: the names of a union's branches."""
    kept = tuple(_followed(details["loc"], document))
    is_missing = details["type"] == "missing"
    return (*kept, details["loc"][-1]) if is_missing else kept


def _followed(location: Location, node: Any) -> Iterator[str | int]:  # noqa: ANN401  any JSON
    for part in location:
        is_key = isinstance(node, dict) and part in node
        is_index = isinstance(node, list) and isinstance(part, int) and part < len(node)
        if is_key or is_index:
            node = node[part]
            yield part


def _known_keys(location: Location, model: type[BaseModel], branches: Location) -> str:
    fields = _section_at(location[:-1], model, branches).model_fields
    return did_you_mean(str(location[-1]), (field.alias or name for name, field in fields.items()))


def _section_at(location: Location, model: type[BaseModel], branches: Location) -> type[BaseModel]:
    """Find the section at a location; of several kinds of object the one that `branches` names."""
    parts = (part for part in location if isinstance(part, str))
    for part in parts:
        annotation = model.model_fields[part].annotation
        sections = list(_sections_in(annotation))
        model = next((section for section in sections if _kind(section) in branches), sections[0])
        if get_origin(annotation) is dict:
            next(parts, None)  # a key of the user's own
    return model


def _kind(section: type[BaseModel]) -> str | None:
    """Name the kind of object that a section describes, where it is one of several."""
    field = section.model_fields.get("model")
    kinds = get_args(field.annotation) if field is not None else ()
    return str(kinds[0]) if kinds else None


def _sections_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections_in(inner)
