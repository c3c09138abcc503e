"""JSON schema of how the fields of a form depend on each other, derived from the declared options."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shrutlekh_contract.declarations import ANY, Contradiction, Option
from shrutlekh_contract.options import CONTRADICTIONS

Schema = dict[str, Any]
OtherNames = Mapping[str, Sequence[str]]

_NOT_EMPTY: Schema = {"minLength": 1, "minItems": 1}


def rules_of(fields: Mapping[str, Option], other_names: OtherNames) -> list[Schema]:
    """Return the schemas that a form must match besides those of its fields.

    Args:
        fields: the options of the form by name.
        other_names: further fields of the form that set an option, by the option's name.
    """
    return [*_needs(fields, other_names), *_contradictions(fields, other_names)]


def needs(name: str, *needed: Schema) -> Schema:
    """Return the schema of forms in which the field ``name`` comes with one of ``needed``, if at all."""
    return {"anyOf": [{"not": {"required": [name]}}, *needed]}


def field(name: str, values: Schema) -> Schema:
    """Return the schema of forms that have the field ``name`` with such a value."""
    return {"required": [name], "properties": {name: values}}


def _needs(fields: Mapping[str, Option], other_names: OtherNames) -> Iterator[Schema]:
    for name, option in fields.items():
        if option.only_with:
            names = (option.only_with, *other_names.get(option.only_with, ()))
            yield needs(name, *(field(needed, _NOT_EMPTY) for needed in names))


def _contradictions(fields: Mapping[str, Option], other_names: OtherNames) -> Iterator[Schema]:
    for rule in CONTRADICTIONS:
        if rule.values.keys() <= fields.keys():
            yield from _without(rule, fields, other_names)


def _without(rule: Contradiction, fields: Mapping[str, Option], other_names: OtherNames) -> Iterator[Schema]:
    """Yield the schema of forms without the contradiction, for each name of its first option."""
    first, *others = rule.values
    for spelled in (first, *other_names.get(first, ())):
        wrong = {
            spelled if name == first else name: _NOT_EMPTY
            if value is ANY
            else {"enum": fields[name].kind.spellings(value)}
            for name, value in rule.values.items()
        }
        yield {"not": {"required": [spelled, *others], "properties": wrong}}
