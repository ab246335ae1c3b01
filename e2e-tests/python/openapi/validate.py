"""Checks an OpenAPI document, and that its examples are what their schemas say.

Usage: validate.py FILE
"""

import json
import sys

from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

URI = "urn:document"


def parts(value, path=()):
    """All objects in a document, with the path to each."""
    if isinstance(value, dict):
        yield path, value
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    else:
        return
    for key, child in children:
        yield from parts(child, (*path, str(key)))


def examples(path, part):
    """The examples in a part of a document, each with the path of its schema."""
    if path[:2] == ("components", "schemas") and isinstance(part.get("examples"), list):
        yield from ((path, example) for example in part["examples"])
    if "schema" in part and isinstance(part.get("examples"), dict):
        values = part["examples"].values()
        yield from (((*path, "schema"), example["value"]) for example in values)
    if "schema" in part and "example" in part:
        yield (*path, "schema"), part["example"]


def main():
    with open(sys.argv[1]) as file:
        document = json.load(file)
    validate(document)
    resource = Resource(contents=document, specification=DRAFT202012)
    registry = Registry().with_resource(URI, resource)
    count = 0
    for path, part in parts(document):
        for place, example in examples(path, part):
            pointer = "/".join(key.replace("~", "~0").replace("/", "~1") for key in place)
            schema = {"$ref": f"{URI}#/{pointer}"}
            for error in OAS31Validator(schema, registry=registry).iter_errors(example):
                sys.exit(f"{'/'.join(place)}: {error.message}")
            count += 1
    operations = sum(len(methods) for methods in document["paths"].values())
    print(json.dumps({"operations": operations, "examples": count}))


main()
