"""Holds every answer of the control plane against the OpenAPI document that it serves."""

import re

import jsonschema


class Document:
    def __init__(self, document: dict):
        self.document = document
        self.templates = [
            (re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), operations)
            for path, operations in document["paths"].items()
        ]

    def check(self, method: str, path: str, status: int, answer) -> None:
        """Fails where the document has no such answer, or another shape for it."""
        responses = self._operation(method, path.split("?")[0])
        if responses is None:
            assert status in (404, 405), f"{method} {path} is not in the document, and answers {status}"
            return
        response = responses.get(str(status)) or responses.get("default") or responses.get(f"{status // 100}XX")
        assert response, f"{method} {path}: {status} is not in the document"
        content = self._resolve(response).get("content", {}).get("application/json")
        if content is None:
            return
        schema = {**content["schema"], "components": self.document["components"]}
        jsonschema.validate(answer, schema, cls=jsonschema.Draft202012Validator)

    def _operation(self, method: str, path: str) -> dict | None:
        for template, operations in self.templates:
            if template.match(path) and method.lower() in operations:
                return operations[method.lower()]["responses"]
        return None

    def _resolve(self, node: dict) -> dict:
        if "$ref" not in node:
            return node
        found = self.document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found
