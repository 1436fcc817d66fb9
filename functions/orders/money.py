"""Money is an integer in the currency's minor unit (cents, yen, fils), as card networks and Stripe count it.

Floats never appear: 0.1 + 0.2 is not 0.3, and an amount that is off by one cent is a failed capture.
"""

# Decimal places where they are not two: https://docs.stripe.com/currencies#zero-decimal and ISO 4217.
_NO_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))

# Stripe takes at most eight digits: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MAX_AMOUNT = 99_999_999


def format_amount(amount: int, currency: str) -> str:
    """Write `amount` (minor units) for people: `format_amount(1999, "EUR")` is `"19.99 EUR"`."""
    if currency in _NO_DECIMALS:
        return f"{amount} {currency}"
    places = 3 if currency in _THREE_DECIMALS else 2
    whole, part = divmod(amount, 10**places)
    return f"{whole}.{part:0{places}} {currency}"
