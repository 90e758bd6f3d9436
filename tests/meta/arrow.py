#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The arrow of docs/hacking.md, proven: no include line and no linked symbol leads upward.

    tests/meta/arrow.py OBJECTS      (a folder with the objects of every source, such as build/release)

A file belongs to the room that its path names, a room to a floor. A file may use its own room and lower
floors; rooms of one floor do not see each other."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = [
    ["include"],
    ["checks/base"],
    ["checks/formats", "checks/hub", "checks/system"],
    ["checks/engine"],
    ["checks/families"],
    ["checks"],
    ["entry/process", "entry/confine"],
    ["entry/fetch/http/url"],
    ["entry/fetch/settings"],
    ["entry/fetch/http", "entry/fetch/store"],
    ["entry/fetch/hub", "entry/fetch/threads"],
    ["entry/policy", "entry/fetch", "entry/report", "entry/launch", "entry/service"],
    ["entry/inspector", "entry/fetcher", "entry/options"],
    ["entry/gate"],
    ["entry/commands"],
    ["entry/main"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path):
    """checks/base/text.c -> checks/base; a file may have a floor of its own: entry/main.c -> entry/main."""
    name = str(path.with_suffix("") if str(path.with_suffix("")) in FLOOR else path.parent)
    if name not in FLOOR:
        sys.exit(f"{path}: no floor of the arrow has this room; add it to FLOORS")
    return name


def upward(user, used):
    a, b = room_of(user), room_of(used)
    return a != b and FLOOR[b] >= FLOOR[a]


def sources():
    for folder in ("include", "checks", "entry"):
        yield from (p.relative_to(ROOT) for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".c", ".h", ".def"))


def includes(files):
    names = {str(f).split("/", 1)[1]: f for f in files}
    for user in files:
        for line, name in re.findall(r'^(#include "([^"]+)")', (ROOT / user).read_text(), re.M):
            if name not in names:
                yield f"{user}: {line} does not name its layer: write the path from include/, checks/ or entry/"
            elif upward(user, names[name]):
                yield f"{user} ({room_of(user)}) includes {names[name]} ({room_of(names[name])})"


def symbols(objects, files):
    defined, wanted = {}, []
    for source in (f for f in files if f.suffix == ".c"):
        name = objects / source.with_suffix(".o")
        if not name.exists():
            continue  # NAME.c and NAME_none.c stand for each other
        for line in subprocess.run(["nm", "-P", str(name)], check=True, capture_output=True, text=True).stdout.splitlines():
            symbol, kind = line.split()[:2]
            if kind == "U":
                wanted.append((source, symbol))
            elif kind.isupper():
                defined[symbol] = source
    for user, symbol in wanted:
        if symbol in defined and upward(user, defined[symbol]):
            yield f"{user} ({room_of(user)}) uses {symbol} of {defined[symbol]} ({room_of(defined[symbol])})"


def main():
    files = list(sources())
    faults = [*includes(files), *symbols(Path(sys.argv[1]), files)]
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(f"{len(faults)} uses against the arrow" if faults else 0)


if __name__ == "__main__":
    main()
