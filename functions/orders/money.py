"""Money is an integer in the currency's minor unit by ISO 4217 (cents, yen, fils). What of it a card can be charged.

Floats never appear: 0.1 + 0.2 is not 0.3, and an amount that is off by one cent is a failed capture.
"""

from collections.abc import Mapping
from typing import Any, Literal

# How many make one, where it is not a hundred: https://www.iso.org/iso-4217-currency-codes.html
_WHOLE = (
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
)
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_MINOR_UNITS = dict.fromkeys(_WHOLE, 1) | dict.fromkeys(_THOUSANDTHS, 1000)

# In which Stripe charges cards; one account may have fewer. https://docs.stripe.com/currencies#presentment-currencies
_CHARGED = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY
    COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD
    JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD
    NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL
    THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
"""
CURRENCIES = frozenset(_CHARGED.split())

# The smallest charges that Stripe names. What it asks of other currencies depends on the account's bank, and only it
# can tell: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
_MINIMUM = {
    "AED": 200,
    "ARS": 50,
    "AUD": 50,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "COP": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "IDR": 50,
    "ILS": 50,
    "INR": 50,
    "JPY": 50,
    "KRW": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PHP": 50,
    "PLN": 200,
    "RON": 200,
    "RUB": 50,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
    "ZAR": 50,
}

# Twelve digits, as Stripe counts: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MAX_AMOUNT = 999_999_999_999
# It counts two places more for currencies that once had them: https://docs.stripe.com/currencies#special-cases
_MAXIMUM = dict.fromkeys(("ISK", "UGX"), MAX_AMOUNT // 100)

# What can't be charged to the last unit: dinars and rials to the last but one
# (https://docs.stripe.com/currencies#three-decimal), ariary whole, which have two places in ISO 4217 only.
_MULTIPLE = {"BHD": 10, "JOD": 10, "KWD": 10, "MGA": 100, "OMR": 10, "TND": 10}

Obstacle = Literal["currency_unsupported", "amount_too_small", "amount_too_large", "amount_too_precise"]


def minor_units(currency: str) -> int:
    """How many minor units make one: 100 cents, 1 yen, 1000 fils."""
    return _MINOR_UNITS.get(currency, 100)


def obstacle(amount: int, currency: str) -> Obstacle | None:
    """Why no card can be charged `amount` (minor units) of `currency`; None when nothing that Stripe documents is in
    the way. The provider may know more, such as what the account's bank takes.
    """
    if currency not in CURRENCIES:
        return "currency_unsupported"
    if amount < _MINIMUM.get(currency, 1):
        return "amount_too_small"
    if amount > _MAXIMUM.get(currency, MAX_AMOUNT):
        return "amount_too_large"
    if amount % _MULTIPLE.get(currency, 1):
        return "amount_too_precise"
    return None


def format_amount(amount: int, currency: str) -> str:
    """Write `amount` (minor units) for people: `format_amount(1999, "EUR")` is `"19.99 EUR"`."""
    units = minor_units(currency)
    if units == 1:
        return f"{amount} {currency}"
    whole, part = divmod(amount, units)
    return f"{whole}.{part:0{len(str(units)) - 1}} {currency}"


def format_total(order: Mapping[str, Any]) -> str:
    """An order's total for people, or that it has none that makes sense: its item may be anything."""
    try:
        return format_amount(int(order["total"]), str(order["currency"]))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return "an amount that is not readable"
