"""How long a record that absorbs duplicates has to live: longer than the last duplicate can arrive.

The longest that one message can take is 17 days: 24 h in the stream, 24 h of retries on the bus, 14 days in the
dead-letter queue, and another 24 h on the bus when it is moved back on the last of these days. A fortnight comes on top
in which an order may wait for a person. Records are kept for twice as long, in case somebody moves dead letters twice.
"""

DAY = 24 * 60 * 60
LONGEST_REDELIVERY_SECONDS = (1 + 1 + 14 + 1 + 14) * DAY
RETENTION_SECONDS = 2 * LONGEST_REDELIVERY_SECONDS
