"""Does with the package `runes` of the Python package index what a JSON file asks for, and prints the answers.

    runes_of_pypi.py TASKS      a JSON list of tasks; prints a JSON list of what came of them
    runes_of_pypi.py vectors    prints ldk-server-grpc/tests/runes.tsv
"""

import json
import sys

import runes

# The second is the one that Core Lightning's own tests of its runes have.
SECRETS = [bytes(16).hex(), "edb8893c04fdeef8f5f06ed70edef309a5c83f20624594e136e392504a270c40"]

RESTRICTIONS = [
    [],
    ["method^list|method^get|method=summary", "method/listdatastore"],
    ["time>1656675211"],
    ["id^022d223620a359a47ff7", "method=listpeers"],
    ["id^022d223620a359a47ff7", "method=listpeers", "pnamelevel!|pnamelevel/io"],
    ["pnum=0", "rate=3", "rate=1"],
    ["per=1000000000nsec"],
    ["per=1min"],
    ["group=info|group=read", "budget=100000sat/day", "time<1800000000"],
    [r"pname_description=tea \& coffee\|\\", "pname_payer_note~été ⚡"],
    ["parr0$a", "parr1{b", "parr2}c", "a comment#, with punctuation: = / ^ $ ~ < > { } ! #"],
    # Lengths at which the padding of SHA-256 takes one more block.
    *[["pname_a=" + length * "x", "pname_b=1"] for length in (46, 47, 48, 54, 55, 56, 57, 110, 120)],
]

OPERATORS = "=/^$~<>{}!#"
OPERANDS = ["1", "11", "-1", "v1", "", "é", "18446744073709551615", "9223372036854775808", "0x1", "1.0"]


def issued(secret, id, restrictions, version=None):
    master = runes.MasterRune(bytes.fromhex(secret))
    rune = runes.Rune(master.authcode(), unique_id=id, version=version)
    return restricted(rune, restrictions)


def restricted(rune, restrictions):
    for text in restrictions:
        restriction, rest = runes.Restriction.decode(text)
        assert rest == "", rest
        rune.add_restriction(restriction)
    return rune


def both(rune):
    return {"rune": rune.to_base64(), "hex": rune.to_str()}


def judged(secret, rune, values):
    allowed, reason = runes.check_with_reason(bytes.fromhex(secret), rune, values)
    return {"allowed": allowed, "reason": reason}


def done(task):
    what = task.pop("task")
    if what == "issue":
        return both(issued(**task))
    if what == "restrict":
        return both(restricted(runes.Rune.from_base64(task["rune"]), task["restrictions"]))
    return judged(**task)


def vectors():
    print("# Made by e2e-tests/python/runes_of_pypi.py with the package runes of the Python package index.")
    print("# secret, the rune, the rune with its code as hex")
    for secret in SECRETS:
        for number, restrictions in enumerate(RESTRICTIONS):
            rune = issued(secret, number, restrictions)
            print("rune", secret, rune.to_base64(), rune.to_str(), sep="\t")
    for id, version in (None, None), (2, 1), ("name", None):
        rune = issued(SECRETS[0], id, ["method=GetNodeInfo"], version)
        print("rune", SECRETS[0], rune.to_base64(), rune.to_str(), sep="\t")
    print("# an alternative, the value of the parameter x (- if it is missing), whether it holds")
    for operator in OPERATORS:
        for operand in OPERANDS:
            for value in [None, *OPERANDS]:
                text = "pnamex" + operator + operand
                alternative, _ = runes.Alternative.decode(text)
                values = {} if value is None else {"pnamex": value}
                holds = alternative.test(values) is None
                shown = "-" if value is None else json.dumps(value, ensure_ascii=False)
                print("test", text, shown, "holds" if holds else "fails", sep="\t")


if sys.argv[1] == "vectors":
    vectors()
else:
    with open(sys.argv[1], encoding="utf-8") as file:
        print(json.dumps([done(task) for task in json.load(file)]))
