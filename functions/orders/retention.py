"""How long a record that absorbs duplicates has to live: longer than the last duplicate can arrive.

The longest way of one message: 24 h in the stream, 24 h of retries on the bus, 14 days in the dead-letter queue
(moved back on the last of them: another 24 h on the bus), then 14 days in which a failed execution can be redriven.
That makes 31 days; the margin is for the person who moves dead letters twice.
"""

DAY = 24 * 60 * 60
LONGEST_REDELIVERY_SECONDS = (1 + 1 + 14 + 1 + 14) * DAY
RETENTION_SECONDS = 2 * LONGEST_REDELIVERY_SECONDS
