"""A form for an order of one's own, sent to the API as a shop's client does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import run, ui

from console import actions, layout, model
from console.place import Place
from console.pressing import on_press, sure
from local.stack import Problem
from orders.tables import sku_of

# Stripe's test cards: https://docs.stripe.com/testing
METHODS = {
    "pm_card_visa": "Visa, which succeeds",
    "pm_card_mastercard": "Mastercard, which succeeds",
    "pm_card_chargeDeclined": "A card that is declined",
    "pm_card_authenticationRequired": "A card whose bank asks back",
}
PLENTY = 2  # units: what there is less of stands at the end


@dataclass(frozen=True)
class Offer:
    """What the shop sells: `unit_price` in minor units of `currency`, and how many there are as the form opens."""

    sku: str
    name: str
    unit_price: int
    currency: str
    available: int

    @property
    def label(self) -> str:
        """The article in words."""
        price = model.amount(self.unit_price, self.currency)
        left = {0: ", sold out", 1: ", the last one"}.get(self.available, "")
        return f"{self.name} ({self.sku}), {price}{left}"


def catalogue(place: Place) -> list[Offer]:
    """What is for sale by the shop's own table. Raises Problem when it can't be read."""
    try:
        pages = (
            place.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=place.outputs["InventoryTableName"],
                FilterExpression="sk = :stock",
                ExpressionAttributeValues={":stock": {"S": "STOCK"}},
            )
        )
        items = [item for page in pages for item in page["Items"]]
    except (ClientError, BotoCoreError) as error:
        raise Problem(f"The catalogue can't be read: {error}") from None
    offers = [
        Offer(
            sku_of(item),
            item.get("name", {}).get("S", sku_of(item)),
            int(item["unit_price"]["N"]),
            item["currency"]["S"],
            int(item.get("available", {}).get("N", 0)),
        )
        for item in items
        if {"unit_price", "currency"} <= item.keys()
    ]
    return sorted(offers, key=lambda offer: (offer.available < PLENTY, offer.sku))


def form(place: Place, tell: Callable[[list[str]], None]) -> ui.dialog:
    """The dialog; open it. What was placed is told."""
    return _Form(place, tell).dialog


class _Form:
    """One page's form, and what is in it."""

    def __init__(self, place: Place, tell: Callable[[list[str]], None]) -> None:
        self.place, self.tell = place, tell
        self.offers: dict[str, Offer] = {}
        self.lines: list[tuple[ui.row, ui.select, ui.number]] = []
        with ui.dialog().props('aria-label="Fill a form"') as self.dialog, ui.card().classes("w-full max-w-xl gap-3"):
            self._draw()
        self.dialog.on_value_change(lambda change: self._read() if change.value else None)

    def _draw(self) -> None:
        layout.heading("Fill a form")
        self.customer = ui.input("Customer id", value="customer-1").props("outlined dense").classes("w-full")
        self.email = ui.input("Email", value="ada@example.com").props("outlined dense type=email").classes("w-full")
        layout.heading("Lines", 3)
        self.box = ui.column().classes("w-full gap-2")
        ui.button("Another line", icon="add", on_click=self._add_line).props("flat no-caps dense")
        self.method = ui.select(METHODS, value="pm_card_visa", label="Payment method").props("outlined dense")
        self.method.classes("w-full")
        self.ship_to = ui.input("Ship to (may be empty)").props("outlined dense").classes("w-full")
        self.refusal = ui.label().classes("bad wraps w-full").props("role=alert")
        with ui.row().classes("w-full items-center justify-between gap-2"):
            self.total = ui.label("").classes("font-semibold").props("aria-live=polite")
            with ui.row().classes("gap-2"):
                ui.button("Close", on_click=self.dialog.close).props("flat no-caps")
                on_press(ui.button("Place the order").props("unelevated no-caps"), self._send)

    async def _read(self) -> None:
        """Look what is for sale, when the form opens."""
        self.refusal.text = ""
        try:
            found = await run.io_bound(catalogue, self.place)
        except Problem as problem:
            self.refusal.text = str(problem)
            return
        self.offers = {offer.sku: offer for offer in found or ()}
        for _, select, _ in self.lines:
            select.set_options(self._options())
        if not self.lines and self.offers:
            self._add_line()

    def _options(self) -> dict[str, str]:
        return {sku: offer.label for sku, offer in self.offers.items()}

    def _add_line(self) -> None:
        taken = {select.value for _, select, _ in self.lines}
        free = next((sku for sku in self.offers if sku not in taken), None)
        number = len(self.lines) + 1
        with self.box, ui.row().classes("w-full items-center gap-2 flex-nowrap") as row:
            select = ui.select(self._options(), value=free, label=f"Article {number}", on_change=self._add_up)
            select.props("outlined dense").classes("grow min-w-0")
            count = ui.number("Quantity", value=1, min=1, precision=0, on_change=self._add_up)
            count.props("outlined dense").classes("w-24 shrink-0")
            line = (row, select, count)
            remove = ui.button(icon="close", on_click=partial(self._remove, line))
            remove.props(f'flat round dense aria-label="Remove line {number}"')
        self.lines.append(line)
        self._add_up()

    def _remove(self, line: tuple[ui.row, ui.select, ui.number]) -> None:
        self.lines.remove(line)
        line[0].delete()
        self._add_up()

    def _add_up(self) -> None:
        chosen = [(self.offers.get(select.value), count.value) for _, select, count in self.lines]
        total = sum(offer.unit_price * int(count) for offer, count in chosen if offer and count)
        self.total.text = f"Total {model.amount(total, self._currency())}" if chosen else ""

    def _currency(self) -> str:
        known = [self.offers[select.value].currency for _, select, _ in self.lines if select.value in self.offers]
        return known[0] if known else next((offer.currency for offer in self.offers.values()), "")

    def _wanted(self) -> dict[str, Any]:
        """The body of a request to the API. What the fields say is the API's to judge."""
        lines = [{"sku": select.value, "quantity": int(count.value or 0)} for _, select, count in self.lines]
        wanted = {
            "customer": {"customer_id": self.customer.value, "email": self.email.value},
            "currency": self._currency(),
            "lines": lines,
            "payment_method": self.method.value,
        }
        return wanted | ({"ship_to": self.ship_to.value} if self.ship_to.value else {})

    async def _send(self) -> None:
        self.refusal.text = ""
        if not await sure(self.place, "Place the order"):
            return
        try:
            order_id = await run.io_bound(actions.order_by_api, self.place, self._wanted())
        except Problem as problem:
            self.refusal.text = str(problem)
        else:
            self.dialog.close()
            self.tell([order_id] if order_id else [])
