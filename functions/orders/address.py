"""Email addresses, as far as they can be checked without writing to one.

One rule for the order that comes in and for the email that goes out. SES refuses what is no address, and then the money
has been taken and nobody can be told; so validate rejects whatever notify could not send to, and both ask here.
"""

from typing import TypeGuard

from email_validator import EmailNotValidError, validate_email

# The longest that mail servers have to take: https://www.rfc-editor.org/errata/eid1690
MAX_LENGTH = 254


def is_address(value: object) -> TypeGuard[str]:
    """Whether SES takes `value` as one recipient, exactly as it stands.

    SES takes 7-bit ASCII: an internationalized domain in Punycode, and no Punycode in the local part. So
    `ada@xn--exmple-cua.com` is an address and `ada@exämple.com` is not. It is not converted, because the item is the
    customer's, and what was checked is what is sent. Refused as well, though RFCs allow them: quoted local parts, IP
    literals, and domains that are on no public network. Nothing is looked up in the DNS.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
    https://docs.aws.amazon.com/ses/latest/APIReference/API_Destination.html
    """
    # First what is cheap: an item has room for 400 KB, and a long text must cost nothing.
    if not isinstance(value, str) or len(value) > MAX_LENGTH or not value.isascii():
        return False
    if value[:4].lower() == "xn--":
        return False
    try:
        # Strict is what holds the local part to 64 characters.
        validate_email(value, allow_smtputf8=False, strict=True, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
