"""An emulator with the pipeline deployed to it, and further stacks beside it, for as long as somebody needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from local import deploy, emulator, left_running
from local.command import undisturbed
from local.console import Begin, progress
from local.emulator import Emulator
from local.seed import seed
from local.stack import RunningStack
from local.templates import PIPELINE, Template


@dataclass
class Session:
    """An emulator, the pipeline on it with the outputs of all stacks, and the names of these stacks."""

    emulator: Emulator
    stack: RunningStack
    stack_names: list[str]
    kept: bool = field(default=False, init=False)

    def function_environments(self) -> dict[str, dict[str, str]]:
        """Each function's environment by its logical id. Raises Problem when two stacks have one of the same id."""
        return deploy.function_environments(self.stack, self.stack_names)

    def keep(self) -> None:
        """Leave it running when this process ends."""
        self.emulator.leave_running()
        self.kept = True


@contextmanager
def session(
    *,
    beside: Sequence[Template] = (),
    tables: Path | None = None,
    bind: str = "127.0.0.1",
    parameters: Mapping[str, str] | None = None,
    concurrency: int = emulator.CONCURRENCY,
) -> Iterator[Session]:
    """Start an emulator that listens at `bind` and runs `concurrency` functions at once, deploy the pipeline and the
    stacks `beside` it, each with those of the `parameters` that it takes.

    `tables` is a file of what the tables hold at first (local/seed.py). Everything has ended when the block has,
    however it ends, unless it was kept and ended well. Raises Problem when something can't be started or deployed.
    """
    process: Emulator | None = None
    opened: Session | None = None
    try:
        with progress() as begin:
            begin("starting the emulator", 2)()
            emulator.sweep(emulator.load(left_running.emulator_file()))
            process = emulator.start(bind, concurrency)
            running = bring_up(process, PIPELINE, begin, **(parameters or {}))
            there = {PIPELINE.name, *(template.name for template in beside)}
            for template in beside:
                given = without(template, there) | dict(parameters or {})
                running = bring_up_beside(process, template, begin, running, **given)
            if tables:
                begin("filling the tables", 2)()
                seed(running, tables)
        names = [PIPELINE.stack_name, *(template.stack_name for template in beside)]
        opened = Session(process, running, names)
        yield opened
    except BaseException:
        if opened:
            opened.kept = False
        raise
    finally:
        if process and not (opened and opened.kept):
            with undisturbed():
                process.stop()


def bring_up(process: Emulator, template: Template, begin: Begin, **parameters: str) -> RunningStack:
    """Build a template and deploy it to a running emulator. Raises Problem with the SAM CLI's own words."""
    building = begin(f"sam build {template.name}", 8)
    with deploy.built(lambda line: building() if "Running" in line else None, template) as build:
        created = begin(f"sam deploy {template.name}", template.resource_count)
        return deploy.deploy(
            process,
            build,
            lambda line: created() if line.startswith("CREATE_COMPLETE") else None,
            template,
            **parameters,
        )


def without(template: Template, there: Collection[str]) -> dict[str, str]:
    """A stack's parameters for the stacks that are not `there`, as far as it does without them."""
    missing = (parameter for parameter, name in template.stands_beside.items() if name not in there)
    return {parameter: "" for parameter in missing if template.does_without(parameter)}


def bring_up_beside(
    process: Emulator, template: Template, begin: Begin, pipeline: RunningStack, **parameters: str
) -> RunningStack:
    """Bring a further stack up; answers the pipeline with the outputs of both.

    Raises Problem also when both have an output of the same name that differs.
    """
    further = bring_up(process, template, begin, **(parameters | {"OrdersStack": pipeline.stack_name}))
    outputs = deploy.merged("an output", {pipeline.stack_name: pipeline.outputs, further.stack_name: further.outputs})
    return replace(pipeline, outputs=outputs)
