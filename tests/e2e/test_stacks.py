"""A further stack beside the pipeline: deployed by its template and its environment alone, and reached by its bus."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from demo import shop
from local import deploy, templates
from local.console import progress
from local.emulator import Emulator
from local.environment import fetch
from local.logs import all_logs
from local.session import bring_up_beside
from local.stack import RunningStack
from tests.e2e.conftest import Pipeline, until

# What is named in no list of ours: a function whose id has no "Function" in it, a sender, a queue that asks for TLS.
TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  OrdersStack: { Type: String, Default: orders }
  PythonRuntime: { Type: String, Default: python3.13 }
  EndpointUrl: { Type: String, Default: "" }
  SenderEmail: { Type: String, Default: "" }
Resources:
  Packer:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code/
      Handler: packer.app.handler
      Runtime: !Ref PythonRuntime
      Timeout: 15
      Environment: { Variables: { AWS_ENDPOINT_URL: !Ref EndpointUrl, SENDER: !Ref SenderEmail, QUEUE: !Ref Parcels } }
      Policies:
        - Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action: [ses:SendEmail]
              Resource: !Sub arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*
              Condition: { StringEquals: { ses:FromAddress: !Ref SenderEmail } }
            - { Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Parcels.Arn }
      Events:
        Confirmed:
          Type: EventBridgeRule
          Properties:
            EventBusName: { Fn::ImportValue: !Sub "${OrdersStack}-EventBusName" }
            Pattern: { source: [orders], detail-type: [OrderConfirmed] }
  Parcels:
    Type: AWS::SQS::Queue
  ParcelsPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Parcels]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Deny
            Principal: "*"
            Action: sqs:*
            Resource: !GetAtt Parcels.Arn
            Condition: { Bool: { aws:SecureTransport: "false" } }
Outputs:
  ParcelsUrl: { Value: !Ref Parcels }
"""
HANDLER = """\
import os

import boto3


def handler(event, context):
    order_id = event["detail"]["order_id"]
    print(f"packing {order_id}")
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=order_id)
    boto3.client("sesv2").send_email(
        FromEmailAddress=os.environ["SENDER"],
        Destination={"ToAddresses": ["packer@example.com"]},
        Content={"Simple": {"Subject": {"Data": f"Pack {order_id}"}, "Body": {"Text": {"Data": "Please."}}}},
    )
"""
ENVIRONMENT = """
[packing.deploy.parameters]
capabilities = "CAPABILITY_IAM"
confirm_changeset = false
resolve_s3 = true
"""


@pytest.fixture(scope="module")
def both(
    running_emulator: Emulator, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """The pipeline with a stack beside it that the repository does not have."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "stacks" / "code" / "packer").mkdir(parents=True)
    (folder / "stacks" / "packing.yaml").write_text(TEMPLATE)
    (folder / "stacks" / "code" / "packer" / "app.py").write_text(HANDLER)
    shutil.copy(templates.SAMCONFIG, folder / "samconfig.toml")
    with (folder / "samconfig.toml").open("a") as config:
        config.write(ENVIRONMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "STACKS", folder / "stacks")
        patch.setattr(templates, "SAMCONFIG", folder / "samconfig.toml")
        patch.setattr(deploy, "BUILDS", folder / "builds")
        [packing] = templates.beside(None)
        with progress() as begin:
            deployed = bring_up_beside(running_emulator, packing, begin, pipeline.stack)
    yield deployed
    pipeline.stack.client("cloudformation").delete_stack(StackName=packing.stack_name)


def test_a_stack_beside_the_pipeline_hears_of_a_confirmed_order(pipeline: Pipeline, both: RunningStack) -> None:
    pipeline.wait(pipeline.place(shop.order("to-be-packed", {"TEA-100": 1})))

    def emails() -> list[str]:
        with fetch(f"{both.endpoint_url}/_ministack/ses/messages", timeout=10) as answer:
            messages = [one for each in json.load(answer)["messages"].values() for one in each]
        return [message["Subject"] for message in messages if "packer@example.com" in message["To"]]

    until(emails, lambda subjects: "Pack to-be-packed" in subjects)
    url = both.outputs["ParcelsUrl"]
    [parcel] = both.client("sqs").receive_message(QueueUrl=url)["Messages"]
    assert parcel["Body"] == "to-be-packed"


def test_one_description_has_the_outputs_the_functions_and_the_logs_of_both(
    pipeline: Pipeline, both: RunningStack
) -> None:
    assert both.stack_name == pipeline.stack.stack_name
    assert set(both.outputs) == {*pipeline.stack.outputs, "ParcelsUrl"}
    environments = deploy.function_environments(both, [both.stack_name, "packing-local"])
    assert environments["Packer"]["QUEUE"] == both.outputs["ParcelsUrl"]
    assert environments["ValidateFunction"]["ORDERS_TABLE"] == both.outputs["OrdersTableName"]
    pipeline.wait(pipeline.place(shop.order("logged", {"TEA-100": 1})))
    said = until(lambda: all_logs(both), lambda lines: "packing logged" in lines)
    assert '"order_id":"logged"' in said.replace(" ", "")
    of_packer = all_logs(both, "packing-local-Packer")
    assert "packing logged" in of_packer
    assert "ORDER_" not in of_packer
