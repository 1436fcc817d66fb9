"""The shop at work, as pages: whoever looks places orders, sees them move, and breaks things to see them heal.

One process serves it on loopback, beside the embedded stack, or with somebody's profile beside a stack on AWS. Its
pages are the modules named `*_page`: they are found, not listed.
"""

import local  # noqa: F401 - puts the functions on the path, where they are top-level packages as on Lambda
