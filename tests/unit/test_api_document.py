"""What there is, what there is not, and the document that says so."""

import re
import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest

from api import app, document
from aws import problems
from orders.order_id import is_order_id
from returns import http as returns_http
from tests.unit.builders import SHIP_TO, an_order
from tests.unit.calling import a_wish, an_event, call, get, kind
from tests.unit.stack import ROOT, MotoStack, template_of

STACKS: dict[str, dict[str, str]] = {
    "shop": {},
    "customers": {"JwtIssuer": "https://issuer.example"},
    "shop, after the sale": {"AfterSale": "yes"},
    "customers, after the sale": {"JwtIssuer": "https://issuer.example", "AfterSale": "yes"},
}
RETURNS = "/orders/{order_id}/returns"
DESCRIBED: dict[tuple[str, bool], Any] = {}


@pytest.fixture(params=[*STACKS.values()], ids=[*STACKS])
def parameters(request: pytest.FixtureRequest) -> dict[str, str]:
    values: dict[str, str] = request.param
    return values


@pytest.fixture
def callers(stack: MotoStack, parameters: dict[str, str]) -> str:
    """Who calls the API, whose environment is set."""
    stack.run_as("ApiFunction")
    return "customers" if "JwtIssuer" in parameters else "shop"


@pytest.fixture
def after_sale(parameters: dict[str, str]) -> bool:
    """Whether somebody looks after the sale."""
    return "AfterSale" in parameters


@pytest.fixture
def described(callers: str, after_sale: bool) -> Any:
    """The document; not to be changed, for it is made once."""
    if (callers, after_sale) not in DESCRIBED:
        DESCRIBED[callers, after_sale] = get("/openapi.json").body
    return DESCRIBED[callers, after_sale]


def operations(described: Any) -> dict[tuple[str, str], Any]:
    return {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


# ── Paths ───────────────────────────────────────────────────────────────────────────────────────────────────────────

NOWHERE = ["/", "", "/order", "/orders/", "/orders//", "/orders//cancel", "/orders/o-1/", "/orders/o-1/cancel/"]
NOWHERE += [
    "/orders/o-1/refund",
    "//orders",
    "/Orders",
    "/openapi.json/",
    "/openapi.yaml",
    "/orders\n",
    "/approvals/x",
    "/☕",
]
NOWHERE += ["/\ud800", "/%", "/orders%2Fo-1", "/../orders", "/" + "o" * 9000]


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_what_there_is_not_is_not_found(method, path, callers):
    assert kind(call(an_event(method, path))) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/orders", "GET, POST"),
        ("/orders/o-1", "GET"),
        ("/orders/o#1", "GET"),
        ("/orders/o-1/cancel", "POST"),
        ("/openapi.json", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"])
def test_a_path_with_another_method_says_which_it_takes(method, path, allowed, callers):
    if method in allowed:
        return
    answer = call(an_event(method, path))

    assert kind(answer) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == allowed


def test_allow_says_what_the_document_says(described):
    for path, methods in described["paths"].items():
        answer = call(an_event("BREW", path.replace("{order_id}", "o-1")))
        assert answer.headers["Allow"].split(", ") == sorted(method.upper() for method in methods)


# ── The document ────────────────────────────────────────────────────────────────────────────────────────────────────


def routes(resolver: Any) -> set[tuple[str, str]]:
    return {(route.method, route.path) for route in resolver._static_routes + resolver._dynamic_routes}


def test_the_document_describes_every_route_and_no_other(callers, after_sale):
    answered = routes(app.http) | (routes(returns_http.http) if after_sale else set())
    assert routes(document.routes(callers, after_sale=after_sale)) == answered


def test_the_document_describes_what_the_templates_route_to_its_functions(described, after_sale):
    templates = [template_of(name) for name in ("ApiFunction", "ReturnsFunction")[: 1 + after_sale]]
    resources = [resource for each in templates for resource in each["Resources"].values()]
    keys = {each["Properties"]["RouteKey"] for each in resources if each["Type"] == "AWS::ApiGatewayV2::Route"}
    keys = {key for key in keys if key.startswith(("GET /o", "POST /o"))}
    assert {f"{method} {path}" for method, path in operations(described)} == keys


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_returns_are_another_functions_and_only_after_the_sale(method, after_sale, callers):
    answer = call(an_event(method, "/orders/o-1/returns"))

    assert kind(answer) == ((405, "method-not-allowed") if after_sale else (404, "not-found"))
    assert answer.headers.get("Allow") == ("POST" if after_sale else None)


def test_every_operation_has_a_name_a_tag_and_a_summary(described):
    each = operations(described).values()
    names = [operation["operationId"] for operation in each]

    assert len(set(names)) == len(names)
    assert {tag for operation in each for tag in operation["tags"]} == {tag["name"] for tag in described["tags"]}
    assert all(operation["summary"] for operation in each)


def test_the_document_is_openapi_3_1_without_loose_ends(described):
    assert described["openapi"].startswith("3.1")
    used = set(re.findall(r"#/components/schemas/(\w+)", str(described)))
    assert used == set(described["components"]["schemas"])
    for schema in described["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_the_document_says_who_calls(callers, described):
    ((name, scheme),) = described["components"]["securitySchemes"].items()

    assert described["security"] == [{name: []}]
    if callers == "shop":
        assert (scheme["type"], scheme["name"], scheme["in"]) == ("apiKey", "Authorization", "header")
        assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"
    else:
        assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")


UNDESCRIBED = {"MethodNotAllowed"}  # there is no operation for what is none
AFTER_THE_SALE = {"AlreadyShipped", "NotDelivered", "ReturnsClosed", "InvalidReturn"}
FOR_CUSTOMERS = {"Forbidden"}


def test_every_problem_is_described_by_its_type(described, callers, after_sale):
    schemas = described["components"]["schemas"]
    by_name = {problem.__name__: problem for problem in problems.Problem.__subclasses__()}

    missing = (
        UNDESCRIBED | (set() if after_sale else AFTER_THE_SALE) | (set() if callers == "customers" else FOR_CUSTOMERS)
    )
    assert by_name.keys() & schemas.keys() == by_name.keys() - missing
    for name in by_name.keys() & schemas.keys():
        assert schemas[name]["properties"]["type"]["const"] == by_name[name].uri()


def test_no_two_problems_have_the_same_type():
    types = [problem.uri() for problem in problems.Problem.__subclasses__()]

    assert len(set(types)) == len(types)


def test_a_problem_is_described_with_all_of_its_members(described, after_sale):
    schemas = described["components"]["schemas"]
    own = {"InvalidOrder": "violations", "AlreadyDecided": "decision"}
    if after_sale:
        own |= {"InvalidReturn": "violations", "NotDelivered": "order_status", "AlreadyShipped": "order_status"}

    for name, member in own.items():
        assert set(schemas[name]["required"]) == {"type", "title", "status", "detail", member}


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        (("POST", "/orders"), {201, 400, 403, 413, 415, 422, 429, 500, 503}),
        (("GET", "/orders"), {200, 400, 403, 429, 500, 503}),
        (("GET", "/orders/{order_id}"), {200, 403, 404, 429, 500, 503}),
        (("POST", "/orders/{order_id}/cancel"), {200, 403, 404, 409, 429, 500, 503}),
        (("GET", "/openapi.json"), {200, 403, 429, 500, 503}),
    ],
)
def test_an_operation_names_every_status_that_it_answers(operation, statuses, described, callers):
    responses = operations(described)[operation]["responses"]
    names_its_statuses(responses, statuses, callers)


@pytest.mark.parametrize("parameters", [values for values in STACKS.values() if "AfterSale" in values])
def test_so_does_a_return(described, callers):
    responses = operations(described)[("POST", RETURNS)]["responses"]
    names_its_statuses(responses, {201, 400, 403, 404, 409, 413, 415, 422, 429, 500, 503}, callers)


def names_its_statuses(responses: Any, statuses: set[int], callers: str) -> None:
    assert {int(status) for status in responses} == statuses | ({401} if callers == "customers" else set())
    for status, response in responses.items():
        allowed = {"application/json"} if int(status) < 400 else {"application/json", "application/problem+json"}
        assert set(response["content"]) <= allowed
        assert all(content["schema"] for content in response["content"].values())


def parameter(described: Any, operation: tuple[str, str], name: str) -> Any:
    return next(each for each in operations(described)[operation]["parameters"] if each["name"].lower() == name)


def test_parameters_have_patterns_and_bounds(described):
    key = parameter(described, ("POST", "/orders"), "idempotency-key")
    assert (key["in"], key["required"], key["schema"]["maxLength"]) == ("header", True, 128)
    customer_id, cursor, limit = (
        parameter(described, ("GET", "/orders"), name) for name in ("customer_id", "cursor", "limit")
    )
    assert [each["required"] for each in (customer_id, cursor, limit)] == [True, False, False]
    assert (customer_id["schema"]["minLength"], customer_id["schema"]["maxLength"]) == (1, 128)
    assert cursor["schema"]["type"] == "string"
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 100, 20)


@pytest.mark.parametrize("order_id", ["o-1", "a.b:c_d-e#", "0" * 128, "-", "", "☕", "o" * 129, "a b", "a/b"])
def test_the_documents_ids_are_those_that_an_order_may_have(order_id, described):
    schema = parameter(described, ("GET", "/orders/{order_id}"), "order_id")["schema"]

    assert jsonschema_rs.Draft202012Validator(schema).is_valid(order_id) == is_order_id(order_id)


def test_a_new_order_is_described_as_far_as_it_is_checked(described):
    schema = {"$ref": "#/components/schemas/NewOrder", "components": described["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema)

    assert validator.is_valid(a_wish())
    assert validator.is_valid(a_wish(ship_to=SHIP_TO))
    assert all(map(validator.is_valid, described["components"]["schemas"]["NewOrder"]["examples"]))
    too_many = [{"sku": "TEA", "quantity": 1001}]
    mistakes: list[dict[str, Any]] = [{"total": 1}, {"currency": "EURO"}, {"lines": []}, {"lines": too_many}]
    mistakes += [{"ship_to": ""}, {"ship_to": "x" * 501}, {"ship_to": None}]
    for wrong in mistakes:
        assert not validator.is_valid(a_wish(**wrong))


def test_what_may_be_left_out_has_no_default_that_would_be_refused(described):
    schemas = described["components"]["schemas"]
    optional = {
        name: schema["default"]
        for described_as in schemas.values()
        for name, schema in described_as.get("properties", {}).items()
        if "default" in schema
    }
    assert optional == {"violations": []}
    assert "ship_to" not in schemas["NewOrder"]["required"]


@pytest.mark.parametrize("parameters", [STACKS["shop, after the sale"]])
def test_a_new_return_is_described_as_far_as_it_is_checked(described):
    schema = {"$ref": "#/components/schemas/NewReturn", "components": described["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema)
    line = {"sku": "TEA", "quantity": 1}

    assert validator.is_valid({"lines": [line]})
    mistakes: list[dict[str, Any]] = [{}, {"lines": []}, {"lines": [line | {"quantity": 0}]}]
    for wrong in [*mistakes, {"lines": [line], "amount": 1}]:
        assert not validator.is_valid(wrong)


def test_the_headers_of_an_answer_are_described(described):
    responses = operations(described)[("POST", "/orders")]["responses"]

    assert set(responses["201"]["headers"]) == {"Location", "Idempotent-Replayed"}
    assert set(responses["503"]["headers"]) == {"Retry-After"}


@pytest.mark.parametrize("parameters", [STACKS["shop, after the sale"]])
def test_so_are_those_of_a_return(described):
    responses = operations(described)[("POST", RETURNS)]["responses"]

    assert set(responses["201"]["headers"]) == {"Idempotent-Replayed"}
    assert set(responses["503"]["headers"]) == {"Retry-After"}


def test_an_order_is_answered_as_it_is_described(described, stack, monkeypatch):
    monkeypatch.setenv("CALLERS", "shop")
    stack.table("OrdersTable").put_item(Item=an_order())
    schema = {"$ref": "#/components/schemas/Order", "components": described["components"]}

    jsonschema_rs.Draft202012Validator(schema).validate(get("/orders/order-1").body)


def test_the_document_costs_a_request_nothing_that_does_not_ask_for_it():
    asked = "import sys, api.app; print([name for name in sys.modules if 'openapi.models' in name or name in %r])"
    program = asked % ["api.document", "api.models", "boto3"]
    environment = {"PYTHONPATH": str(ROOT / "functions")}
    assert subprocess.check_output([sys.executable, "-c", program], env=environment, text=True).strip() == "[]"
