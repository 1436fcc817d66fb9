"""How often, when and in which order messages arrive. All of it is allowed by AWS: everything is at least once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from simulation.faults import Fault
from simulation.poller import Pollers
from simulation.world import Matched, World

HOUR = 3600.0
STREAM_RETENTION = 24 * HOUR


@dataclass(frozen=True)
class Delivery:
    """One way in which the stream and the bus deliver."""

    name: str
    starts: tuple[float, ...] = (0.0,)  # the bus starts an execution after each of these seconds
    copies: int = 0  # how often an execution runs again beside itself, under its own name
    batch_size: int = 100
    newest_first: bool = False
    rewinds: bool = False  # the stream's checkpoint is lost once, after everything was delivered
    given: tuple[Fault, ...] = ()  # what goes wrong in this delivery before any fault is injected
    loses_the_first: bool = False  # event about each order
    dead: float | None = None  # the bus gives up on it, and a person redrives the queue after so many seconds

    def begins_as_once(self, settled_at: float, largest_batch: int) -> bool:
        """Whether a run is the same as that of the delivery "once" until that one has settled, which was after so many
        seconds, and with no more than so many records in a batch.
        """
        first, *later = (-1.0,) if self.loses_the_first else self.starts
        batches = largest_batch <= 1 or (self.batch_size >= largest_batch and not self.newest_first)
        waits = all(start > settled_at for start in [*later, *([self.dead] if self.dead else [])])
        return first == 0.0 and waits and batches and not self.copies and not self.given


_REFUSED = Fault("publish/events.PutEvents#1", "partial")  # the bus refuses the first entry that it is asked to take

DELIVERIES = {
    delivery.name: delivery
    for delivery in (
        Delivery("once"),
        Delivery("twice", starts=(0.0, 5.0)),
        # Ten in the time that one execution takes, ten that find everything done.
        Delivery("twenty times", starts=tuple(number * (0.1 if number < 10 else 5.0) for number in range(20))),
        Delivery("at the same time", starts=(0.0, 0.0)),
        Delivery("hours later", starts=(0.0, 6 * HOUR)),
        Delivery("execution twice in parallel", copies=1),
        Delivery("stream reordered", newest_first=True, rewinds=True),
        Delivery("stream split", batch_size=1),
        Delivery("redelivered from a checkpoint", rewinds=True, given=(_REFUSED,)),
        Delivery("event lost", loses_the_first=True),
        Delivery("dead letter redriven", loses_the_first=True, dead=25 * HOUR),
        Delivery("duplicate redriven from the dead letters", dead=25 * HOUR),
    )
}


def install(world: World, delivery: Delivery) -> Pollers:
    """Make the world deliver like this."""
    pollers = Pollers(world, delivery.batch_size, delivery.newest_first)
    world.poll = pollers.wake
    known: set[tuple[str, str, str]] = set()

    def deliver(matched: Matched) -> None:
        about = matched.target, matched.what, matched.order_id
        first = about not in known
        known.add(about)
        if first and delivery.loses_the_first:
            world.log("bus", matched.order_id, matched.what, "lost")
        else:
            waits = [later - sooner for sooner, later in pairwise((0.0, *delivery.starts))]
            waits[0] += 0.05
            world.loop.spawn(lambda: _start(world, matched, delivery, waits[1:]), delay=waits[0], name="bus")
        if first and delivery.dead is not None:
            world.send("DeadLetterQueueUrl", matched._asdict())
            world.log("bus", matched.order_id, matched.what, "dead letter")
            world.loop.spawn(lambda: _redrive(world, delivery), delay=delivery.dead, name="redrive")

    world.deliver = deliver
    return pollers


def _start(world: World, matched: Matched, delivery: Delivery, waits: Sequence[float] = ()) -> None:
    """Start a rule's target, and again after each of `waits`, in seconds from one to the next."""
    if world.loop.now - world.born > HOUR:
        world.expire()
    name = matched.target.rsplit(":", 1)[1]
    what_follows = f"{delivery.copies} copies, again {waits}, rewind: {delivery.rewinds}"
    world.checkpoint(f"{matched.order_id} starts {name}, {what_follows}")
    if waits:
        world.loop.spawn(lambda: _start(world, matched, delivery, waits[1:]), delay=waits[0], name="bus")
    world.log("bus", matched.order_id, matched.what, "delivered")
    before = len(world.started)
    world.start_target(matched)
    for _, arn in world.started[before:]:
        # Only an Express workflow may run twice under one name, and none of these can wait for a token.
        # https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html
        if ".waitForTaskToken" not in world.text_of(arn):
            for _ in range(delivery.copies):
                world.copy_execution(arn)


def _redrive(world: World, delivery: Delivery) -> None:
    """What the runbook says: move what lies in the dead-letter queue back to where it was going."""
    for message in world.drain("DeadLetterQueueUrl"):
        _start(world, Matched(**message), delivery)
