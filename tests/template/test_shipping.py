"""The template of what comes after the sale: its list, its routes at the front door, its secrets, what starts when.

The emulator authorizes no request of an HTTP API and evaluates no key's policy, so this is held against the template.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import sweep.app
import webhooks.app
from orders import Status
from simulation.stack import PIPELINE
from tests.template.stack import (
    ACCOUNT,
    REGION,
    STRIPE_SECRET,
    Json,
    TransformedTemplate,
    listed,
    parameter_sets,
    transformed,
)
from webhooks import inbox

NAME, FRONTDOOR = "shipping", "frontdoor"
BY_SIGNATURE = {"POST /webhooks/carrier", "POST /webhooks/stripe"}
BY_AUTHORIZATION = {"POST /orders/{order_id}/returns"}


def shipping(**parameters: Any) -> TransformedTemplate:
    return TransformedTemplate(transformed(NAME), NAME, **parameters)


def frontdoor(**parameters: Any) -> TransformedTemplate:
    return TransformedTemplate(transformed(FRONTDOOR), FRONTDOOR, **parameters)


@pytest.fixture(scope="module", params=parameter_sets(NAME).items(), ids=lambda item: item[0])
def stack(request: pytest.FixtureRequest) -> TransformedTemplate:
    """The stack with each of its sets of parameters."""
    return shipping(**request.param[1])


def routes(stack: TransformedTemplate) -> dict[str, Json]:
    """The routes by their keys. No two may have the same."""
    declared = stack.of_type("AWS::ApiGatewayV2::Route").values()
    by_key = {route["RouteKey"]: route for route in declared}
    assert len(by_key) == len(declared)
    return by_key


def allowing(stack: TransformedTemplate, resource: str) -> set[tuple[str, str]]:
    """Which roles may do what with a resource."""
    return {
        (name, action)
        for name, role in stack.of_type("AWS::IAM::Role").items()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if resource in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }


# ── Who gets in ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_route_is_one_of_the_front_doors_api_and_new_to_it(stack: TransformedTemplate) -> None:
    api = frontdoor().ref("Api")
    assert routes(stack).keys() == BY_AUTHORIZATION | BY_SIGNATURE
    assert routes(stack).keys() & routes(frontdoor()).keys() == set()
    for kind in ("Route", "Integration"):
        for name, properties in stack.of_type(f"AWS::ApiGatewayV2::{kind}").items():
            assert properties["ApiId"] == api, name
    assert stack.of_type("AWS::ApiGatewayV2::Api") == {}


def test_only_what_is_signed_comes_in_without_authorization(stack: TransformedTemplate) -> None:
    open_to_anybody = {key for key, route in routes(stack).items() if route["AuthorizationType"] == "NONE"}
    assert open_to_anybody == BY_SIGNATURE == webhooks.app.ROUTES.keys()


@pytest.mark.parametrize(
    ("callers", "issuer"), [("shop", {}), ("customers", {"JwtIssuer": "https://issuer.example.com"})]
)
def test_a_return_is_asked_for_with_what_any_request_at_the_front_door_takes(callers: str, issuer: Json) -> None:
    stack, door = shipping(Callers=callers), frontdoor(**issuer)
    for key in BY_AUTHORIZATION:
        asked = {name: value for name, value in routes(stack)[key].items() if name.startswith("Auth")}
        assert asked == {name: value for name, value in routes(door)["GET /orders"].items() if name.startswith("Auth")}
    assert stack.functions["returns"].environment["CALLERS"] == door.functions["api"].environment["CALLERS"] == callers


def test_nobody_who_comes_as_a_customer_is_taken_for_the_shop(stack: TransformedTemplate) -> None:
    """The function trusts what API Gateway says of a caller, so both have to be of one kind."""
    kinds = {routes(stack)[key]["AuthorizationType"] for key in BY_AUTHORIZATION}
    assert kinds == {{"shop": "AWS_IAM", "customers": "JWT"}[stack.functions["returns"].environment["CALLERS"]]}


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
    assert answers == dict.fromkeys(BY_SIGNATURE, "WebhooksFunction") | dict.fromkeys(
        BY_AUTHORIZATION, "ReturnsFunction"
    )
    for properties in integrations.values():
        assert (properties["IntegrationType"], properties["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")


def test_api_gateway_may_call_what_its_routes_lead_to_for_this_api_only(stack: TransformedTemplate) -> None:
    permissions = [*stack.of_type("AWS::Lambda::Permission").values()]
    assert {each["FunctionName"] for each in permissions} == {
        stack.ref(name) for name in ("ReturnsFunction", "WebhooksFunction")
    }
    for permission in permissions:
        assert permission == {
            "Action": "lambda:InvokeFunction",
            "FunctionName": permission["FunctionName"],
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{frontdoor().ref('Api')}/*",
        }


def test_a_function_answers_before_api_gateway_gives_it_up(stack: TransformedTemplate) -> None:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
    for name in ("returns", "webhooks"):
        assert stack.functions[name].properties["Timeout"] < 30


# ── Secrets and keys ────────────────────────────────────────────────────────────────────────────────────────────────

SECRETS = {
    "CARRIER_SECRET_ARN": ("CarrierSecretArn", "CarrierSecret"),
    "STRIPE_WEBHOOK_SECRET_ARN": ("StripeWebhookSecretArn", "StripeWebhookSecret"),
}


@pytest.mark.parametrize(("variable", "parameter", "secret"), [(name, *names) for name, names in SECRETS.items()])
def test_a_sender_signs_with_the_secret_that_was_given_or_with_one_of_the_stacks_own(
    variable: str, parameter: str, secret: str
) -> None:
    own = shipping()
    given = shipping(**{parameter: STRIPE_SECRET})
    assert own.functions["webhooks"].environment[variable] == own.outputs[parameter]["Value"] == own.ref(secret)
    assert given.functions["webhooks"].environment[variable] == given.outputs[parameter]["Value"] == STRIPE_SECRET
    assert secret not in given.resources


def test_a_secret_of_the_stacks_own_is_long_and_known_to_nobody() -> None:
    for secret in shipping().of_type("AWS::SecretsManager::Secret").values():
        assert secret.keys() == {"Description", "GenerateSecretString"}
        # As many bits as the signature's hash has, of 62 characters each.
        assert secret["GenerateSecretString"] == {"PasswordLength": 64, "ExcludePunctuation": True}


def test_only_webhooks_reads_secrets(stack: TransformedTemplate) -> None:
    environment = stack.functions["webhooks"].environment
    arns = {environment[variable] for variable in (*SECRETS, "STRIPE_SECRET_ARN")} - {""}
    for arn in arns:
        assert allowing(stack, arn) == {("WebhooksRole", "secretsmanager:GetSecretValue")}


def test_who_waits_encrypts_tokens_and_who_has_news_only_decrypts_them(stack: TransformedTemplate) -> None:
    assert allowing(stack, stack.arn("ShippingKey")) == {
        ("ShipRole", "kms:Encrypt"),
        ("ShipRole", "kms:Decrypt"),
        ("ReturnsRole", "kms:Encrypt"),
        ("ReturnsRole", "kms:Decrypt"),
        ("WebhooksRole", "kms:Decrypt"),
    }
    [key] = stack.of_type("AWS::KMS::Key").values()
    [statement] = key["KeyPolicy"]["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def test_a_role_names_the_workflow_by_the_name_that_it_has(stack: TransformedTemplate) -> None:
    """By reference, the function would wait for the workflow, and the workflow for the function."""
    for workflow, waits in (("ShippingWorkflow", "ShipRole"), ("ReturnWorkflow", "ReturnsRole")):
        may = allowing(stack, stack.ref(workflow))
        assert {role for role, action in may if action == "states:SendTaskSuccess"} == {waits, "WebhooksRole"}


# ── Tables and the list ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_has_the_keys_that_the_code_writes_and_no_end(stack: TransformedTemplate) -> None:
    tables = stack.of_type("AWS::DynamoDB::Table")
    keys = {name: [key["AttributeName"] for key in table["KeySchema"]] for name, table in tables.items()}
    by_order = ("ShipmentsTable", "ReturnsTable", "OpenShipmentsTable")
    by_id = ("InboxTable", "SimulatedCarrierTable")
    assert keys == {**{name: ["order_id"] for name in by_order}, **{name: ["id"] for name in by_id}}
    # What was told is kept as long as what it has changed.
    assert [name for name, table in tables.items() if "TimeToLiveSpecification" in table] == []


def test_what_waits_in_the_inbox_is_found_by_when_it_came(stack: TransformedTemplate) -> None:
    [index] = stack.of_type("AWS::DynamoDB::Table")["InboxTable"]["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": inbox.INDEX,
        "KeySchema": [
            {"AttributeName": "pending", "KeyType": "HASH"},
            {"AttributeName": "received_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }


def test_a_confirmed_order_is_enlisted_from_the_stream_of_what_became_of_orders(stack: TransformedTemplate) -> None:
    [mapping] = stack.of_type("AWS::Lambda::EventSourceMapping").values()
    [pattern] = [json.loads(each["Pattern"]) for each in mapping["FilterCriteria"]["Filters"]]
    assert pattern == {
        "eventName": ["INSERT", "MODIFY"],
        "dynamodb": {"NewImage": {"status": {"S": [Status.CONFIRMED]}}},
    }
    # Like the pipeline's own mapping of that stream, but for what it does with a record.
    [other] = [
        each
        for each in stack.pipeline.of_type("AWS::Lambda::EventSourceMapping").values()
        if each["EventSourceArn"] == mapping["EventSourceArn"]
    ]
    assert other["EventSourceArn"] == stack.pipeline.attribute("OrderStatesTable", "StreamArn")
    assert mapping == other | {
        "FunctionName": stack.ref("EnlistFunction"),
        "FilterCriteria": mapping["FilterCriteria"],
        "DestinationConfig": {"OnFailure": {"Destination": stack.arn("EnlistFailureQueue")}},
    }
    assert stack.functions["enlist"].environment["ENLIST_FAILURE_QUEUE_URL"] == stack.ref("EnlistFailureQueue")


def test_everything_here_works_on_this_stacks_own_list(stack: TransformedTemplate) -> None:
    lists = {function.environment["OPEN_ORDERS_TABLE"] for function in stack.functions.values()}
    assert lists == {stack.ref("OpenShipmentsTable")}
    for definition in (workflow.definition for workflow in stack.workflows.values()):
        assert definition["States"]["Escalate"]["Arguments"]["TableName"] == stack.ref("OpenShipmentsTable")


@pytest.mark.parametrize("package", ["notify", "sweep"])
def test_telling_customers_and_sweeping_are_the_pipelines_own_functions_over_another_list(
    stack: TransformedTemplate, package: str
) -> None:
    ours, theirs = stack.functions[package], stack.pipeline.functions[package]
    for name in ("Handler", "Code", "Timeout", "MemorySize"):
        assert ours.properties[name] == theirs.properties[name]
    differs = {name for name in theirs.environment if ours.environment[name] != theirs.environment[name]}
    # A customer is told once of one thing, whoever tells them, so the records of that are the same.
    assert differs - {"SENDER_EMAIL", "AWS_ENDPOINT_URL"} == {"OPEN_ORDERS_TABLE", "POWERTOOLS_METRICS_NAMESPACE"}


# ── What starts when ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_is_swept_each_minute_and_news_that_wait_are_applied_every_five(stack: TransformedTemplate) -> None:
    started = {
        schedule["Target"]["Arn"]: (schedule["ScheduleExpression"], schedule["Target"].get("Input"))
        for schedule in stack.of_type("AWS::Scheduler::Schedule").values()
    }
    assert started == {
        stack.arn("ShippingSweepFunction"): ("rate(1 minute)", None),
        stack.arn("WebhooksFunction"): ("rate(5 minutes)", '{"action": "apply"}'),
    }


def test_a_run_is_over_before_the_next_and_none_is_repeated(stack: TransformedTemplate) -> None:
    assert sweep.app.RUN_SECONDS < stack.functions["sweep"].properties["Timeout"] < 60
    assert stack.functions["webhooks"].properties["Timeout"] > webhooks.app.RUN_SECONDS
    once = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    schedules = stack.of_type("AWS::Scheduler::Schedule").values()
    assert [schedule["Target"]["RetryPolicy"] for schedule in schedules] == [once] * len(schedules)
    invoked = [*stack.of_type("AWS::Lambda::EventInvokeConfig").values()]
    functions = {stack.ref(stack.id_of("AWS::Lambda::Function", schedule["Target"]["Arn"])) for schedule in schedules}
    assert {each["FunctionName"] for each in invoked} == functions
    for each in invoked:
        assert each == {"FunctionName": each["FunctionName"], "Qualifier": "$LATEST"} | once


def test_a_rule_keeps_what_it_cannot_start(stack: TransformedTemplate) -> None:
    for rule in stack.of_type("AWS::Events::Rule").values():
        assert rule["EventBusName"] == stack.pipeline.ref("EventBus")
        [target] = rule["Targets"]
        assert target["InputPath"] == "$.detail"
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
        assert target["DeadLetterConfig"] == {"Arn": stack.arn("ShippingDeadLetterQueue")}


def test_workflows_that_wait_for_weeks_are_standard(stack: TransformedTemplate) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html
    kinds = {name: workflow.properties["StateMachineType"] for name, workflow in stack.workflows.items()}
    assert kinds == {"ShippingWorkflow": "STANDARD", "ReturnWorkflow": "STANDARD"}


def test_how_long_things_may_take_is_what_was_asked_for() -> None:
    stack = shipping(ReturnDays=0.5, DeliveryDays=2, ReturnExpiryDays=7)
    environments = [stack.functions[name].environment for name in ("ship", "returns")]
    days = {name: str(value) for each in environments for name, value in each.items() if name.endswith("_DAYS")}
    assert days == {"RETURN_DAYS": "0.5", "DELIVERY_DAYS": "2", "RETURN_EXPIRY_DAYS": "7"}


def test_money_and_stock_go_back_through_the_pipelines_own_functions(stack: TransformedTemplate) -> None:
    for workflow in stack.workflows.values():
        functions = {name: workflow.states[name]["Arguments"]["FunctionName"] for name in ("Restock", "Refund")}
        assert functions == {
            "Restock": stack.pipeline.arn("InventoryFunction"),
            "Refund": stack.pipeline.arn("PaymentFunction"),
        }


def test_outputs_are_those_of_the_contract() -> None:
    stack = shipping()
    assert {name: output["Value"] for name, output in stack.outputs.items()} == {
        "ShipmentsTableName": stack.ref("ShipmentsTable"),
        "ReturnsTableName": stack.ref("ReturnsTable"),
        "OpenShipmentsTableName": stack.ref("OpenShipmentsTable"),
        "InboxTableName": stack.ref("InboxTable"),
        "SimulatedCarrierTableName": stack.ref("SimulatedCarrierTable"),
        "ShippingWorkflowArn": stack.ref("ShippingWorkflow"),
        "ReturnWorkflowArn": stack.ref("ReturnWorkflow"),
        "CarrierSecretArn": stack.ref("CarrierSecret"),
        "StripeWebhookSecretArn": stack.ref("StripeWebhookSecret"),
        "ShippingDeadLetterQueueUrl": stack.ref("ShippingDeadLetterQueue"),
    }


@pytest.mark.parametrize("name", [PIPELINE, FRONTDOOR])
def test_the_stacks_that_it_stands_beside_use_nothing_of_it(name: str) -> None:
    imports = re.findall(r'"Fn::ImportValue": (\{[^}]*\}|"[^"]*")', json.dumps(transformed(name)))
    assert [each for each in imports if "OrdersStack" not in each] == []
