"""Eighteen classic mistakes, broken then repaired: `make lesson` lists them, docs/lessons.md is the workshop.

Each folder has `broken.py` and `fixed.py`, or the two workflows as `.asl.json`, and `lesson.py`: what happens to them,
and what the tables must say afterwards. A `workflow.asl.json` is the same for both. They run in the fault simulation
(simulation/), against a real DynamoDB engine.
"""
