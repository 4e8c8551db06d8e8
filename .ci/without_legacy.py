#!/usr/bin/env python3
"""Shows that PPTP can be carried out: a copy of the tree without the legacy rooms builds and passes its tests.

  .ci/without_legacy.py DIRECTORY    makes the copy there and runs `cargo test --workspace` in it

What goes is what `server/tests/tidy.rs` lists (rooms, doors, uses), and of examples, documents and the tests of other
rooms what names these commands.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = re.compile(r"ppp ccp|pptp", re.I)


def listed(tidy, name):
    return re.search(rf"const {name}\b.*? = \[(.*?)\n\];", tidy, re.S).group(1)


def strings(text):
    return [s.replace('\\"', '"') for s in re.findall(r'"((?:[^"\\]|\\.)*)"', text)]


def drop_lines(path, gone):
    """Takes lines out of a file; in a configuration an empty comment stays, since tests count its lines."""
    # Octet for octet: some files are in Shift_JIS, and some end their lines with CR and LF.
    lines = path.read_bytes().decode("latin-1").split("\n")
    kept = ["#" if path.suffix == ".conf" and gone(line) else line for line in lines]
    kept = kept if path.suffix == ".conf" else [line for line in lines if not gone(line)]
    if kept != lines:
        path.write_bytes("\n".join(kept).encode("latin-1"))
    return sum(map(bool, map(gone, lines)))


def carry_out(tree):
    tidy = tree / "server/tests/tidy.rs"
    text = tidy.read_text()
    for room in strings(listed(text, "LEGACY_ROOMS")):
        whole = tree / room
        for path in [whole] if whole.is_dir() else whole.parent.glob(whole.name + "*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    places = strings(listed(text, "LEGACY_DOORS")) + strings(listed(text, "LEGACY_USES"))
    for path, line in zip(places[::2], places[1::2]):
        gone = drop_lines(tree / path, lambda l: l.strip() == line)
        assert gone == 1, f"{path}: {gone} lines are '{line}'"
    print(f"the rooms and {len(places) // 2} lines of the program are gone")
    # The lists themselves, and the tests that other rooms have of these commands.
    for name in ("LEGACY_ROOMS", "LEGACY_DOORS", "LEGACY_USES"):
        text = text.replace(listed(text, name), "")
        text = re.sub(rf"(const {name}: \[.*?; )\d+\]", r"\g<1>0]", text)
    text = re.sub(r'\n *// Another user of.*\n *\("legacy", .*\),', "", text)
    text = re.sub(r'\n *\("server/src/quickstart.rs", "ppp ccp.*', "", text)
    text = re.sub(r"(const LEGACY_WORDS: .*?; )8\]", r"\g<1>7]", text)
    text = re.sub(r"(const ROOMS: .*?; )8\]", r"\g<1>7]", text)
    tidy.write_text(text)
    (tree / "examples/with_pptp.conf").unlink()
    data = [p for d in ("command/tests", "examples", "server/tests/common") for p in (tree / d).rglob("*") if p.is_file()]
    named = ("command/src/complete.rs", "command/src/parse.rs", "server/src/quickstart.rs", "server/tests/real_console.rs")
    data += [tree / path for path in named]
    print(sum(drop_lines(path, NAMES.search) for path in data), "lines of tests and configurations, too")
    scenes = tree / "sim/tests/examples.rs"
    scenes.write_text(re.sub(r"#\[test\]\nfn \w*pptp\w*\(\) \{\n.*?\n\}\n\n", "", scenes.read_text(), flags=re.S))


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    tree = pathlib.Path(sys.argv[1]).resolve()
    tree.mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in files.decode().split("\0")[:-1]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    carry_out(tree)
    # What is printed from the table of commands is printed anew.
    subprocess.run(["cargo", "test", "-p", "sekisho", "--no-fail-fast", "--test", "tidy", "--test", "real_console"], cwd=tree, env={**os.environ, "UPDATE": "1"})
    sys.exit(subprocess.run(["cargo", "test", "--workspace", "--no-fail-fast"], cwd=tree).returncode)


main()
