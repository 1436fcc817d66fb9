"""Records that absorb duplicates against the template's own figures for how late a duplicate can be."""

from orders.retention import DAY, LONGEST_REDELIVERY_SECONDS, RETENTION_SECONDS
from tests.unit.stack import template

STREAM_RETENTION = DAY
REDRIVE_PERIOD = 14 * DAY  # https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html


def test_a_record_lives_longer_than_the_last_duplicate_takes():
    resources = template()["Resources"]
    (target,) = resources["OrderPlacedRule"]["Properties"]["Targets"]
    on_the_bus = target["RetryPolicy"]["MaximumEventAgeInSeconds"]
    in_the_queue = resources["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"]

    assert STREAM_RETENTION + on_the_bus + in_the_queue + on_the_bus + REDRIVE_PERIOD <= LONGEST_REDELIVERY_SECONDS
    assert LONGEST_REDELIVERY_SECONDS < RETENTION_SECONDS


def test_a_record_of_the_stream_is_not_retried_for_longer_than_the_stream_keeps_it():
    mappings = template()["Resources"]["PublishFunction"]["Properties"]["Events"].values()

    assert all(mapping["Properties"]["MaximumRecordAgeInSeconds"] <= STREAM_RETENTION for mapping in mappings)
