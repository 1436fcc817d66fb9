"""The crash test: functions' processes are killed while orders are under way, and all must add up all the same.

storm.py       places orders and kills      runtimes.py    the processes, and what they were at
executions.py  what the workflows went through   events.py  what changed, and what the bus told of it
tap.py         a copy of the bus            findings.py    promises that broke, and what the kills cost
"""
