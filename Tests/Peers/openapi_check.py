"""Holds docs/openapi.yaml against what the service does.

    openapi_check.py docs/openapi.yaml FILE

FILE has the routes, and exchanges that were seen: {"routes": [[method, pattern]…], "exchanges": [{method, pattern, status, headers,
body}…]}. Prints every difference on a line, and nothing where there is none.
"""

import json
import sys

import jsonschema
import yaml

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def main():
    with open(sys.argv[1]) as file:
        document = yaml.safe_load(file)
    with open(sys.argv[2]) as file:
        seen = json.load(file)
    for problem in Check(document).run(seen["routes"], seen["exchanges"]):
        print(problem)


class Check:
    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver("", document)
        self.operations = {
            (method.upper(), path): operation
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }

    def run(self, routes, exchanges):
        served = {(method, pattern) for method, pattern in routes}
        yield from (f"served, not documented: {route}" for route in sorted(served - set(self.operations)))
        yield from (f"documented, not served: {route}" for route in sorted(set(self.operations) - served))
        ids = [operation["operationId"] for operation in self.operations.values()]
        yield from (f"two operations of one id: {name}" for name in ids if ids.count(name) > 1)
        for route, operation in self.operations.items():
            yield from self.examples(route, operation)
        for exchange in exchanges:
            yield from self.exchange(exchange)
        for route, operation in self.operations.items():
            for status in operation["responses"]:
                # The rest needs a service that is broken.
                if status not in ("500", "503", "default") and not any(
                    (one["method"], one["pattern"], str(one["status"])) == (*route, status) for one in exchanges
                ):
                    yield f"never seen: {route} {status}"

    def exchange(self, exchange):
        where = f"{exchange['method']} {exchange['pattern']} {exchange['status']}"
        operation = self.operations.get((exchange["method"], exchange["pattern"]))
        if operation is None:
            yield f"{where}: not documented"
            return
        responses = operation["responses"]
        response = self.resolve(responses.get(str(exchange["status"]), responses["default"]))
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            value = exchange["headers"].get(name.lower())
            if value is not None:
                yield from self.validate(value, header["schema"], f"{where}: {name}")
            elif header.get("required"):
                yield f"{where}: no {name}"
        media = exchange["headers"].get("content-type", "").split(";")[0]
        content = response.get("content", {}).get(media)
        if content is None:
            yield f"{where}: {media} is not documented"
            return
        body = exchange["body"]
        if media.endswith(("json", "yaml")):
            body = yaml.safe_load(body) if media.endswith("yaml") else json.loads(body)
        yield from self.validate(body, content["schema"], where)

    def examples(self, route, operation):
        """Every content has an example, and every example is valid."""
        contents = [("request", operation.get("requestBody", {}).get("content", {}))]
        contents += [
            (status, self.resolve(response).get("content", {})) for status, response in operation["responses"].items()
        ]
        for name, content in contents:
            for media, description in content.items():
                where = f"{route} {name} {media}"
                if not description.get("examples"):
                    yield f"{where}: no example"
                for key, example in description.get("examples", {}).items():
                    yield from self.validate(example["value"], description["schema"], f"{where} example {key}")

    def validate(self, value, schema, where):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        for error in validator.iter_errors(value):
            yield f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message}"

    def resolve(self, node):
        return self.resolver.resolve(node["$ref"])[1] if "$ref" in node else node


main()
