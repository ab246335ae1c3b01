"""Restricts a rune with the package `runes`, without asking the node, and prints it.

    restrict_rune.py RUNE RESTRICTION
"""

import sys

import runes

rune, restriction = sys.argv[1:]
restricted = runes.Rune.from_base64(rune)
decoded, rest = runes.Restriction.decode(restriction)
assert rest == "", rest
restricted.add_restriction(decoded)
print(restricted.to_base64())
