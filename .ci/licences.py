#!/usr/bin/env python3
"""Checks the licence of every crate in Cargo.lock that is built against the list in deny.toml, where cargo-deny is not at hand.

An expression is good if it can be met with licences of the list alone: A OR B needs one of them, A AND B both.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def allowed():
    text = (ROOT / "deny.toml").read_text()
    return set(re.findall(r'"([^"]+)"', re.search(r"^allow = \[(.*?)\]", text, re.S | re.M).group(1)))


def is_met(expression, good):
    # The old form with a slash means OR.
    words = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    at = 0

    def either():
        nonlocal at
        met = both()
        while at < len(words) and words[at] == "OR":
            at += 1
            met = both() or met
        return met

    def both():
        nonlocal at
        met = one()
        while at < len(words) and words[at] == "AND":
            at += 1
            met = one() and met
        return met

    def one():
        nonlocal at
        word = words[at]
        at += 1
        if word == "(":
            met = either()
            at += 1
            return met
        if words[at:at + 1] == ["WITH"]:
            word = " ".join([word, *words[at:at + 2]])
            at += 2
        return word in good

    return either()


def main():
    good = allowed()
    out = subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, check=True, capture_output=True)
    packages = [p for p in json.loads(out.stdout)["packages"] if p["source"]]
    wrong = [p for p in packages if not (p["license"] and is_met(p["license"], good))]
    for p in wrong:
        print(f"{p['name']} {p['version']}: {p['license'] or 'no licence is named'}")
    print(f"{len(packages)} crates, {len(wrong)} with a licence that is not on the list")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
