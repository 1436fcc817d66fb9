"""The front door's template: who gets in, what is watched, and what the approval workflow reads.

The emulator authorizes no request of an HTTP API, throttles none and writes no access log. So who gets in, how often,
and what is written down about it is held against the template.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import ask.app
from orders import OpenOrder, events
from orders.tables import open_order_from, open_order_item
from simulation.stack import PIPELINE
from tests.template.stack import ACCOUNT, REGION, Json, TransformedTemplate, listed, parameter_sets, transformed
from tests.template.test_order_definition import evaluate, expressions

NAME = "frontdoor"
ISSUER = {"JwtIssuer": "https://issuer.example.com", "JwtAudience": "the-shop"}
BY_LINK = {"GET /approvals/{token}", "POST /approvals/{token}"}
BY_AUTHORIZATION = {
    "POST /orders",
    "GET /orders",
    "GET /orders/{order_id}",
    "POST /orders/{order_id}/cancel",
    "GET /openapi.json",
}


def frontdoor(**parameters: Any) -> TransformedTemplate:
    return TransformedTemplate(transformed(NAME), NAME, **parameters)


@pytest.fixture(scope="module", params=parameter_sets(NAME).items(), ids=lambda item: item[0])
def stack(request: pytest.FixtureRequest) -> TransformedTemplate:
    """The front door with each of its sets of parameters."""
    return frontdoor(**request.param[1])


def routes(stack: TransformedTemplate) -> dict[str, Json]:
    """The routes by their keys. No two may have the same."""
    declared = stack.of_type("AWS::ApiGatewayV2::Route").values()
    by_key = {route["RouteKey"]: route for route in declared}
    assert len(by_key) == len(declared)
    return by_key


def guarded(stack: TransformedTemplate) -> set[str]:
    """The routes that are not an approver's link."""
    return routes(stack).keys() - BY_LINK


# ── Who gets in ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_there_is_one_api_and_every_route_is_its_own(stack: TransformedTemplate) -> None:
    [api] = stack.of_type("AWS::ApiGatewayV2::Api")
    assert stack.of_type("AWS::ApiGatewayV2::Api")[api]["ProtocolType"] == "HTTP"
    assert guarded(stack) - {"$default"} == BY_AUTHORIZATION
    for kind in ("Route", "Integration", "Stage", "Authorizer"):
        for name, properties in stack.of_type(f"AWS::ApiGatewayV2::{kind}").items():
            assert properties["ApiId"] == stack.ref(api), name


def test_every_route_but_an_approvers_link_needs_authorization(stack: TransformedTemplate) -> None:
    open_to_anybody = {key for key, route in routes(stack).items() if route["AuthorizationType"] == "NONE"}
    assert open_to_anybody == BY_LINK


def test_what_there_is_not_is_for_the_api_to_say_and_only_to_whoever_may_ask(stack: TransformedTemplate) -> None:
    if "CorsConfiguration" not in stack.of_type("AWS::ApiGatewayV2::Api")["Api"]:
        assert routes(stack)["$default"]["AuthorizationType"] != "NONE"


@pytest.mark.parametrize("parameters", [{}, {"JwtAudience": "the-shop"}], ids=["by default", "an audience alone"])
def test_callers_sign_with_iam_unless_there_is_an_issuer(parameters: Json) -> None:
    stack = frontdoor(**parameters)
    for key in guarded(stack):
        assert routes(stack)[key]["AuthorizationType"] == "AWS_IAM", key
        assert "AuthorizerId" not in routes(stack)[key], key
    assert stack.of_type("AWS::ApiGatewayV2::Authorizer") == {}
    # Whoever may sign is the shop, and sees every order.
    assert stack.functions["api"].environment["CALLERS"] == "shop"


def test_customers_come_with_a_token_of_the_issuer_for_the_audience_that_was_given() -> None:
    stack = frontdoor(**ISSUER)
    [(name, authorizer)] = stack.of_type("AWS::ApiGatewayV2::Authorizer").items()
    assert (authorizer["AuthorizerType"], authorizer["IdentitySource"]) == ("JWT", ["$request.header.Authorization"])
    assert authorizer["JwtConfiguration"] == {"Issuer": ISSUER["JwtIssuer"], "Audience": [ISSUER["JwtAudience"]]}
    for key in guarded(stack):
        route = routes(stack)[key]
        assert (route["AuthorizationType"], route["AuthorizerId"]) == ("JWT", stack.ref(name)), key
    assert stack.functions["api"].environment["CALLERS"] == "customers"


def test_nobody_who_comes_as_a_customer_is_taken_for_the_shop(stack: TransformedTemplate) -> None:
    """The function trusts what API Gateway says of a caller, so both have to be of one kind."""
    kinds = {routes(stack)[key]["AuthorizationType"] for key in guarded(stack)}
    assert kinds == {{"shop": "AWS_IAM", "customers": "JWT"}[stack.functions["api"].environment["CALLERS"]]}


def test_every_route_leads_to_the_function_that_answers_it_in_the_format_that_it_reads(
    stack: TransformedTemplate,
) -> None:
    integrations = {
        f"integrations/{stack.ref(name)}": properties
        for name, properties in stack.of_type("AWS::ApiGatewayV2::Integration").items()
    }
    answers = {
        key: stack.id_of("AWS::Lambda::Function", integrations[route["Target"]]["IntegrationUri"])
        for key, route in routes(stack).items()
    }
    assert answers == dict.fromkeys(BY_LINK, "ApproveFunction") | dict.fromkeys(guarded(stack), "ApiFunction")
    for properties in integrations.values():
        assert (properties["IntegrationType"], properties["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")


def test_api_gateway_may_call_what_its_routes_lead_to_for_this_api_only(stack: TransformedTemplate) -> None:
    [api] = stack.of_type("AWS::ApiGatewayV2::Api")
    permissions = [*stack.of_type("AWS::Lambda::Permission").values()]
    assert {each["FunctionName"] for each in permissions} == {
        stack.ref(name) for name in ("ApiFunction", "ApproveFunction")
    }
    for permission in permissions:
        assert permission == {
            "Action": "lambda:InvokeFunction",
            "FunctionName": permission["FunctionName"],
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{stack.ref(api)}/*",
        }


# ── How often, from where, and what is kept of it ───────────────────────────────────────────────────────────────────


def test_browsers_may_not_call_unless_a_shops_origin_is_given() -> None:
    [api] = frontdoor().of_type("AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api
    [api] = frontdoor(CorsOrigin="https://shop.example.com").of_type("AWS::ApiGatewayV2::Api").values()
    cors = api["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["https://shop.example.com"]
    assert cors["AllowMethods"] == ["GET", "POST"]
    # The token is sent as a header by a script that has it. No browser sends cookies along by itself.
    assert "AllowCredentials" not in cors
    assert {"authorization", "content-type", "idempotency-key"} == {*cors["AllowHeaders"]}


def test_a_browsers_preflight_finds_no_route_so_that_api_gateway_answers_it() -> None:
    """It comes without authorization, so a guarded route that takes it lets no browser in.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html#http-api-cors-default-route
    """
    keys = routes(frontdoor(CorsOrigin="https://shop.example.com"))
    assert not [key for key in keys if key == "$default" or key.startswith(("ANY ", "OPTIONS "))]
    assert "$default" in routes(frontdoor())


@pytest.mark.parametrize("requests", [1, 100, 10_000])
def test_no_more_requests_come_in_than_were_agreed(requests: int) -> None:
    [stage] = frontdoor(RequestsPerSecond=requests).of_type("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": requests, "ThrottlingRateLimit": requests}
    assert "RouteSettings" not in stage  # no route is an exception


def test_requests_are_limited_by_default() -> None:
    [stage] = frontdoor().of_type("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 100


# What an access log may say, of everything that API Gateway knows of a request.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
LOGGED = {
    "requestTime",
    "requestId",
    "routeKey",  # `GET /approvals/{token}`, and no token
    "status",
    "responseLength",
    "responseLatency",
    "error.responseType",
}


def test_the_access_log_says_which_route_and_neither_who_nor_what(stack: TransformedTemplate) -> None:
    [stage] = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    line = stage["AccessLogSettings"]["Format"]
    assert set(re.findall(r"\$context\.([\w.]+)", line)) == LOGGED
    assert not re.findall(r"\$(?!context\.)", line)
    assert isinstance(json.loads(line), dict)


def test_the_access_log_is_a_group_that_forgets_and_that_api_gateway_may_write(stack: TransformedTemplate) -> None:
    [stage] = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    group = stack.properties_of("AWS::Logs::LogGroup", stage["AccessLogSettings"]["DestinationArn"])
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
    assert group == {"LogGroupName": f"/aws/vendedlogs/apigateway/{NAME}", "RetentionInDays": 30}


def test_a_function_answers_before_api_gateway_gives_it_up(stack: TransformedTemplate) -> None:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
    for name in ("api", "approve"):
        assert stack.functions[name].properties["Timeout"] < 30


# ── Approvals ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_approvals_have_the_key_that_the_code_writes_and_no_end(stack: TransformedTemplate) -> None:
    [table] = stack.of_type("AWS::DynamoDB::Table").values()
    assert table["KeySchema"] == [{"AttributeName": "order_id", "KeyType": "HASH"}]
    # That somebody has approved an order is kept as long as the order is.
    assert "TimeToLiveSpecification" not in table


def test_nobody_but_the_account_and_those_whose_roles_say_so_may_use_the_key(stack: TransformedTemplate) -> None:
    [key] = stack.of_type("AWS::KMS::Key").values()
    [statement] = key["KeyPolicy"]["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def test_only_ask_encrypts_tokens_and_only_ask_and_approve_decrypt_them(stack: TransformedTemplate) -> None:
    """The API cannot: what it reads of an approval wakes nobody."""
    key = stack.arn("ApprovalKey")
    may = {
        (name, action)
        for name, role in stack.of_type("AWS::IAM::Role").items()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if key in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }
    assert may == {("AskRole", "kms:Encrypt"), ("AskRole", "kms:Decrypt"), ("ApproveRole", "kms:Decrypt")}


def test_links_lead_to_the_api_or_to_the_domain_that_it_has() -> None:
    by_default = frontdoor()
    at = by_default.attribute("Api", "ApiEndpoint")
    assert by_default.functions["ask"].environment["API_URL"] == by_default.outputs["ApiUrl"]["Value"] == at
    own = frontdoor(ApiUrl="https://api.shop.example.com")
    assert own.functions["ask"].environment["API_URL"] == "https://api.shop.example.com"
    assert own.outputs["ApiUrl"]["Value"] == "https://api.shop.example.com"


def test_an_approver_has_as_long_as_the_pipeline_waits(stack: TransformedTemplate) -> None:
    hours = stack.functions["ask"].environment["APPROVAL_HOURS"]
    assert hours == stack.pipeline.functions["sweep"].environment["APPROVAL_HOURS"]


def test_whoever_is_about_to_write_to_the_approver_is_done_or_dead_before_another_one_does(
    stack: TransformedTemplate,
) -> None:
    assert stack.functions["ask"].properties["Timeout"] < ask.app.CLAIM_SECONDS


@pytest.mark.parametrize("rule", ["ReviewRule", "CancelledByCustomerRule"])
def test_a_rule_starts_the_approval_workflow_and_keeps_what_it_cannot_start(
    stack: TransformedTemplate, rule: str
) -> None:
    properties = stack.of_type("AWS::Events::Rule")[rule]
    assert properties["EventBusName"] == stack.pipeline.ref("EventBus")
    assert properties["EventPattern"]["source"] == [events.SOURCE]
    [target] = properties["Targets"]
    assert target["Arn"] == stack.ref("ApprovalWorkflow")
    assert target["InputPath"] == "$.detail"
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"] == {"Arn": stack.arn("ReviewDeadLetterQueue")}


def test_outputs_are_those_of_the_contract(stack: TransformedTemplate) -> None:
    assert stack.outputs.keys() - {"AuthorizerId"} == {"ApiUrl", "ApiId", "ApprovalsTableName", "ApprovalWorkflowArn"}
    assert stack.outputs["ApprovalsTableName"]["Value"] == stack.ref("ApprovalsTable")
    assert stack.outputs["ApprovalWorkflowArn"]["Value"] == stack.ref("ApprovalWorkflow")


def test_a_stack_beside_it_finds_the_api_and_who_lets_customers_in(stack: TransformedTemplate) -> None:
    assert stack.outputs["ApiId"]["Value"] == stack.ref("Api")
    authorizers = [stack.ref(name) for name in stack.of_type("AWS::ApiGatewayV2::Authorizer")]
    exported = [output["Value"] for name, output in stack.outputs.items() if name == "AuthorizerId"]
    assert exported == authorizers


@pytest.mark.parametrize(
    ("parameters", "told"), [({}, "no"), ({"AfterSale": "no"}, "no"), ({"AfterSale": "yes"}, "yes")]
)
def test_what_comes_after_the_sale_is_promised_only_where_somebody_is_said_to_do_it(
    parameters: Json, told: str
) -> None:
    assert frontdoor(**parameters).functions["api"].environment["AFTER_SALE"] == told


def test_the_pipeline_knows_nothing_of_the_front_door() -> None:
    assert NAME not in json.dumps([*transformed(PIPELINE)["Resources"].values()]).lower()


def test_the_workflow_that_waits_is_standard_because_an_express_one_ends_after_five_minutes(
    stack: TransformedTemplate,
) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html
    assert stack.workflows["ApprovalWorkflow"].properties["StateMachineType"] == "STANDARD"


def test_a_role_names_the_workflow_by_the_name_that_it_has(stack: TransformedTemplate) -> None:
    """By reference, the function would wait for the workflow, and the workflow for the function."""
    resources = [
        resource
        for policy in stack.of_type("AWS::IAM::Role")["AskRole"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "states:SendTaskSuccess" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]
    assert resources == [stack.ref("ApprovalWorkflow")]


# ── The definition ──────────────────────────────────────────────────────────────────────────────────────────────────

# All that its expressions read. None of it holds anything of a customer; the token goes to the function alone.
READ = {
    "$states.context.Execution.Id",
    "$states.context.Execution.Input.order_id",
    "$states.context.Execution.Input.tried_minutes",
    "$states.context.State.RetryCount",
    "$states.context.Task.Token",
    "$states.errorOutput.Error",
    "$states.input",  # of Escalate: the step, and the error's name
    "$states.input.error",
    "$states.input.step",
    "$states.result.Payload",  # whether anything was settled
}


@pytest.fixture(scope="module")
def definition() -> Json:
    return frontdoor().workflows["ApprovalWorkflow"].definition


def test_expressions_read_nothing_that_holds_personal_data(definition: Json) -> None:
    read = {
        match.rstrip(".")
        for expression in expressions(definition)
        for match in re.findall(r"\$states[\w.]*", expression)
    }
    assert read == READ


def test_the_token_is_handed_to_the_function_that_keeps_it_and_to_nobody_else(definition: Json) -> None:
    holding = [name for name, state in definition["States"].items() if "Task.Token" in json.dumps(state)]
    assert holding == ["Ask"]
    assert definition["States"]["Ask"]["Output"] == {}


@pytest.mark.parametrize("state", ["Ask", "Settle"])
@pytest.mark.parametrize(("event", "tried"), [({"tried_minutes": 15}, 15), ({}, 0)], ids=["again", "first"])
def test_for_how_long_an_order_was_tried_is_what_its_event_says(
    definition: Json, state: str, event: Json, tried: int
) -> None:
    expression = definition["States"][state]["Arguments"]["Payload"]["tried_minutes"]
    assert evaluate(expression, states={"context": {"Execution": {"Input": event}}}) == tried


def test_an_order_that_nobody_can_be_asked_about_is_marked_as_the_sweep_reads_it(definition: Json) -> None:
    arguments = definition["States"]["Escalate"]["Arguments"]
    assert arguments["UpdateExpression"] == "SET stuck = :stuck"
    assert arguments["ConditionExpression"] == "attribute_exists(order_id)"
    stuck = {name: {"S": name} for name in arguments["ExpressionAttributeValues"][":stuck"]["M"]}
    opened = open_order_item(OpenOrder("o-1", "2026-01-01T09:00:00+00:00", review=True))
    assert open_order_from(opened | {"stuck": {"M": stuck}}).stuck == "step: error"
