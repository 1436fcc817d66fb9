"""The night finds what is wrong, each thing once, and nothing else."""

from __future__ import annotations

import pytest

from jobs.findings import ADVICE, Code, Finding
from jobs.sources import SOURCES
from tests.jobs import a_shop
from tests.jobs.damage import EVERY, TWELVE, Damage
from tests.jobs.victims import Shop


@pytest.fixture(autouse=True, scope="module")
def _before_there_is_no_network() -> None:
    with a_shop.with_sockets():
        a_shop.in_the_evening()


@pytest.fixture
def shop() -> Shop:
    """The shop in the evening."""
    tables, now = a_shop.in_the_evening()
    return Shop(a_shop.InMemory(tables), {name: name for name in tables}, now)


def the_night(shop: Shop) -> list[Finding]:
    _, as_of = a_shop.in_the_evening()
    return a_shop.judged({source.table: [*shop.items(source.table)] for source in SOURCES}, as_of)


def test_there_is_nothing_to_find_in_a_shop_that_went_well(shop: Shop) -> None:
    there, _ = a_shop.in_the_evening()
    came_to = {str(item["status"]["S"]) for item in there["OrderStatesTable"]}
    assert came_to == {"ARCHIVED", "RETURNED", "CANCELLED", "REJECTED"}
    assert the_night(shop) == []


@pytest.mark.parametrize("damage", EVERY, ids=lambda damage: damage.what)
def test_what_is_wrong_is_found_once_and_nothing_else_is(damage: Damage, shop: Shop) -> None:
    where = damage.do(shop)
    [finding] = the_night(shop)
    assert (finding.code, finding.order_id or finding.subject, finding.repair) == (damage.code, where, damage.repair)
    assert finding.detail


def test_twelve_things_that_are_wrong_at_once_are_twelve_findings(shop: Shop) -> None:
    done = sorted((damage.code, damage.do(shop)) for damage in TWELVE)
    assert sorted((each.code, each.order_id or each.subject) for each in the_night(shop)) == done


def test_what_was_damaged_can_be_put_back(shop: Shop) -> None:
    for damage in EVERY:
        damage.do(shop)
        shop.restore()
    assert the_night(shop) == []


def test_the_damage_is_of_every_kind() -> None:
    assert {damage.code for damage in EVERY} == set(Code) == set(ADVICE)
    assert len({damage.code for damage in TWELVE}) == 12
