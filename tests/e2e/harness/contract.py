"""Checks against web/static/openapi.json: the document itself, requests, and the responses of a server."""

import dataclasses
import json
import pathlib
import re

import jsonschema

from .paths import ROOT

DOCUMENT = ROOT / "web" / "static" / "openapi.json"
META = pathlib.Path(__file__).with_name("openapi_meta.json")
METHODS = ("get", "post", "put", "patch", "delete")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@dataclasses.dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    node: dict = dataclasses.field(repr=False, compare=False)
    parameters: list = dataclasses.field(repr=False, compare=False)

    @property
    def aliases(self):
        return self.node.get("x-aliases", [])

    @property
    def statuses(self):
        return {int(status) for status in self.node["responses"]}

    @property
    def routes(self):
        return {f"{self.method} {spelling}" for spelling in [self.path, *self.aliases]}


class Contract:
    def __init__(self, document=None):
        self.document = document or json.loads(DOCUMENT.read_text(encoding="utf-8"))
        self._resolver = jsonschema.RefResolver("", self.document)
        self.operations = {operation.id: operation for operation in self._find_operations()}

    def _find_operations(self):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    node = item[method]
                    parameters = [self.resolve(one) for one in [*item.get("parameters", []), *node.get("parameters", [])]]
                    yield Operation(node["operationId"], method.upper(), path, node, parameters)

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = {**self._resolver.resolve(node["$ref"])[1], **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    def errors(self, schema, value):
        """What is wrong with a value: one line for each error."""
        validator = jsonschema.Draft202012Validator(schema, resolver=self._resolver)
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]

    def faults(self):
        """What is wrong with the document itself."""
        meta = jsonschema.Draft202012Validator(json.loads(META.read_text(encoding="utf-8")))
        yield from (f"{error.json_path}: {error.message[:300]}" for error in meta.iter_errors(self.document))
        yield from self._reference_faults()
        yield from self._schema_faults()
        yield from self._generator_faults()
        for operation in self.operations.values():
            yield from self._operation_faults(operation)
        count = sum(method in item for item in self.document["paths"].values() for method in METHODS)
        if count != len(self.operations):
            yield "two operations have the same operationId"

    def _reference_faults(self):
        used = {reference for _, reference in _walk(self.document, lambda node: node.get("$ref"))}
        for reference in used:
            try:
                self._resolver.resolve(reference)
            except jsonschema.RefResolutionError:
                yield f"nothing at {reference}"
        for kind, components in self.document["components"].items():
            if kind != "securitySchemes":
                yield from (f"{kind}/{name} is used nowhere" for name in components if f"#/components/{kind}/{name}" not in used)

    def _schema_faults(self):
        """Every schema must be valid, and its examples must match it."""
        schemas = list(self.document["components"]["schemas"].items())
        for part in ("paths", "webhooks"):
            schemas += _walk(self.document[part], lambda node: node.get("schema"), f"#/{part}")
        for name, schema in schemas:
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as error:
                yield f"{name}: {error.message}"
        for at, schema in _walk(self.document, lambda node: node if isinstance(node.get("examples"), list) else None):
            for example in schema["examples"]:
                yield from (f"{at}: example {fault}" for fault in self.errors(schema, example))
        for at, media in _walk(self.document, lambda node: node if "schema" in node else None):
            for example in [media[key] for key in ("example",) if key in media] + [
                    one["value"] for one in media.get("examples", {}).values()]:
                yield from (f"{at}: example {fault}" for fault in self.errors(media["schema"], example))

    def _generator_faults(self):
        """What generators of clients do not read: fields beside a reference, several types, alternatives that do not say which one it is."""
        for at, schema in _walk(self.document, lambda node: node if "$ref" in node else None):
            if set(schema) - {"$ref", "description"}:
                yield f"{at}: a reference with siblings; use allOf"
        for at, schema in _walk(self.document, lambda node: node if isinstance(node.get("type"), list) else None):
            yield f"{at}: several types; use oneOf with null"
        for at, schema in _walk(self.document, lambda node: node if isinstance(node.get("oneOf"), list) else None):
            others = [one for one in schema["oneOf"] if one != {"type": "null"} and "const" not in one]  # a word tells itself apart
            if len(others) > 1 and "discriminator" not in schema:
                yield f"{at}: alternatives without a discriminator"
        for at, _ in _walk(self.document["components"]["schemas"], lambda node: True if "default" in node else None):
            yield f"{at}: a default, which makes a field one that must be given; describe it"

    def _operation_faults(self, operation):
        named = set(re.findall(r"\{(\w+)\}", operation.path))
        if named != {one["name"] for one in operation.parameters if one["in"] == "path"}:
            yield f"{operation.id}: its path's parameters are not those of {operation.path}"
        for alias in operation.aliases:
            if set(re.findall(r"\{(\w+)\}", alias)) != named:
                yield f"{operation.id}: {alias} has other parameters"
        tags = {tag["name"] for tag in self.document["tags"]}
        yield from (f"{operation.id}: unknown tag {tag}" for tag in operation.node["tags"] if tag not in tags)
        schemes = self.document["components"]["securitySchemes"]
        for one in operation.node.get("security", []):
            yield from (f"{operation.id}: unknown security scheme {name}" for name in one if name not in schemes)

    def webhook_faults(self, name, received):
        """received: a Received of harness/receiver.py."""
        operation = self.document["webhooks"][name]["post"]
        for parameter in operation["parameters"]:
            value = received.headers.get(parameter["name"].lower())
            yield from (f"{parameter['name']} {fault}" for fault in self.errors(parameter["schema"], value))
        yield from self.errors(operation["requestBody"]["content"][received.headers["content-type"]]["schema"], received.json)

    def security(self, operation):
        """Names of the security schemes that allow the operation; empty for a public one."""
        return [name for one in operation.node.get("security", self.document["security"]) for name in one]

    def check_request(self, operation, content_type, body):
        """body: a JSON value, or the fields of a form. Form fields are text, so only their names are checked."""
        content = self.resolve(operation.node["requestBody"])["content"]
        assert content_type in content, f"{operation.id}: {content_type} is not documented"
        schema = content[content_type]["schema"]
        if content_type in FORMS:
            known = self._property_names(schema)
            assert set(body) <= known, f"{operation.id}: undocumented fields {set(body) - known}"
        else:
            assert self.errors(schema, body) == [], f"{operation.id}: the request is not as documented: {body}"

    def _property_names(self, schema):
        schema = self.resolve(schema)
        parts = [one for key in ("oneOf", "anyOf", "allOf") for one in schema.get(key, [])]
        return set(schema.get("properties", {})).union(*(self._property_names(part) for part in parts))

    def check_answer(self, operation, answer):
        """answer: a response of the requests library whose body has not been streamed. HEAD has no body."""
        shown = f"{operation.id} ({answer.request.method} {answer.request.path_url}) answered {answer.status_code}"
        responses = operation.node["responses"]
        assert str(answer.status_code) in responses, f"{shown}, which is not documented: {answer.text[:500]}"
        response = self.resolve(responses[str(answer.status_code)])
        for name, header in response.get("headers", {}).items():
            self._check_header(shown, name, self.resolve(header), answer.headers.get(name))
        if "content" not in response:
            assert not answer.content, f"{shown} with a body: {answer.text[:200]}"
            return
        media = self._media(response["content"], answer.headers.get("Content-Type", ""))
        assert media is not None, f"{shown} as {answer.headers.get('Content-Type')}, not {'/'.join(response['content'])}"
        if "json" in answer.headers["Content-Type"]:
            faults = self.errors(media["schema"], answer.json())
            assert faults == [], f"{shown}: {faults}\n{answer.text[:1500]}"

    def _check_header(self, shown, name, header, value):
        if value is None:
            assert not header.get("required"), f"{shown} without {name}"
            return
        assert self.errors(header["schema"], value) == [], f"{shown} with {name}: {value}"

    @staticmethod
    def _media(content, content_type):
        found = content_type.partition(";")[0].strip().lower()
        for name, media in content.items():
            if name == found or (name.endswith("/*") and found.startswith(name[:-1])):
                return media
        return None


def _walk(node, pick, at="#"):
    """Yields (place, what pick found) for each object of the document. Examples are data, so they are skipped."""
    if isinstance(node, list):
        for n, one in enumerate(node):
            yield from _walk(one, pick, f"{at}/{n}")
    if not isinstance(node, dict):
        return
    found = pick(node)
    if found is not None:
        yield at, found
    for key, one in node.items():
        if key not in ("example", "examples", "default", "const", "enum"):
            yield from _walk(one, pick, f"{at}/{key}")
