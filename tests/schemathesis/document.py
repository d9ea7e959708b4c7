"""Holds a document to OpenAPI 3.1, and each example in it to the schema beside it."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT = "urn:document"


def resolved(document, node):
    while "$ref" in node:
        name = node["$ref"].removeprefix("#/")
        node = document
        for step in name.split("/"):
            node = node[step]
    return node


def examples(document, holder):
    """The examples of a parameter, a header or a content."""
    if "example" in holder:
        yield holder["example"]
    for example in holder.get("examples", {}).values():
        yield resolved(document, example)["value"]


def holders(node, place=""):
    """Whatever has a schema and stands outside of schemas."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from holders(item, f"{place}/{index}")
    elif isinstance(node, dict):
        if "schema" in node:
            yield place, node
        for name, member in node.items():
            if name not in ("schema", "schemas", "example", "examples"):
                yield from holders(member, f"{place}/{name}")


def absolute(schema):
    """The same with references that say which document they are in."""
    if isinstance(schema, list):
        return [absolute(item) for item in schema]
    if isinstance(schema, dict):
        return {
            name: DOCUMENT + member if name == "$ref" else absolute(member) for name, member in schema.items()
        }
    return schema


def main(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    faults = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
    resource = Resource(contents=absolute(document), specification=DRAFT202012)
    registry = Registry().with_resource(DOCUMENT, resource)
    count = 0
    for place, holder in holders(document):
        validator = Draft202012Validator(
            absolute(holder["schema"]), registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        for example in examples(document, holder):
            count += 1
            faults += [f"{place}: {error.json_path}: {error.message}" for error in validator.iter_errors(example)]
    # A schema's own examples.
    for name, schema in document["components"]["schemas"].items():
        validator = Draft202012Validator(absolute(schema), registry=registry)
        for example in schema.get("examples", []):
            count += 1
            faults += [f"schema {name}: {error.message}" for error in validator.iter_errors(example)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(document['paths'])} addresses, {count} examples, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
