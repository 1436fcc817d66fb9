"""Records that absorb duplicates against the template's own figures for how late a duplicate can be."""

from orders.retention import DAY, LONGEST_REDELIVERY_SECONDS, RETENTION_SECONDS
from tests.unit.stack import template

STREAM_RETENTION = DAY
UNTIL_REPAIRED = 14 * DAY  # how long an order may wait for a person, whose event then comes again


def test_a_record_lives_longer_than_the_last_duplicate_takes():
    resources = template()["Resources"]
    (target,) = resources["OrderPlacedRule"]["Properties"]["Targets"]
    on_the_bus = target["RetryPolicy"]["MaximumEventAgeInSeconds"]
    in_the_queue = resources["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"]

    assert STREAM_RETENTION + on_the_bus + in_the_queue + on_the_bus + UNTIL_REPAIRED <= LONGEST_REDELIVERY_SECONDS
    assert LONGEST_REDELIVERY_SECONDS < RETENTION_SECONDS


def test_a_record_of_the_stream_is_not_retried_for_longer_than_the_stream_keeps_it():
    mappings = template()["Resources"]["PublishFunction"]["Properties"]["Events"].values()

    assert all(mapping["Properties"]["MaximumRecordAgeInSeconds"] <= STREAM_RETENTION for mapping in mappings)
