#!/usr/bin/env python3
"""Shows a seed of a fuzz target as text, or makes one of text.

    fuzz/seed.py show fuzz/corpus/smtp/pipelined
    fuzz/seed.py make OUT < TEXT

A seed is a dialogue in pieces: a byte of side and kind, a byte of length, the bytes (`Pieces` in fuzz/bodies). In text a
piece is a line: `C b'EHLO x\\r\\n'` (said by the client), `S b'...'` (by the server), `C gap 12` (octets that are missing),
`S fin`. What is longer than 255 octets becomes several pieces. A first line `head b'...'` stands for what a target wants
before the pieces: the port of `protocol`, port, length and key log of `secrets`.
"""
import ast
import sys

HEADS = {"protocol": 2}
GAP, FIN = 6 << 5, 7 << 5


def head(path, seed):
    target = path.split("/")[-2] if "/" in path else ""
    if target == "secrets":
        return 4 + int.from_bytes(seed[2:4], "little")
    return HEADS.get(target, 0)


def show(path):
    seed = open(path, "rb").read()
    begin = head(path, seed)
    if begin:
        print("head", seed[:begin])
    rest = seed[begin:]
    while len(rest) > 1:
        kind, length = rest[0], rest[1]
        piece, rest = rest[2:2 + length], rest[2 + length:]
        side = "CS"[kind & 1]
        what = {GAP: f"gap {length}", FIN: "fin"}.get(kind & 0xE0, piece)
        print(side, what)


def make(lines):
    seed = b""
    for line in filter(str.strip, lines):
        side, what = line.rstrip("\n").split(" ", 1)
        kind = "CS".find(side)
        if side == "head":
            seed += ast.literal_eval(what)
        elif what.startswith("gap "):
            seed += bytes([GAP | kind, int(what[4:])])
        elif what == "fin":
            seed += bytes([FIN | kind, 0])
        else:
            said = ast.literal_eval(what)
            for at in range(0, len(said), 255):
                part = said[at:at + 255]
                seed += bytes([kind, len(part)]) + part
    return seed


if sys.argv[1:2] == ["show"] and len(sys.argv) == 3:
    show(sys.argv[2])
elif sys.argv[1:2] == ["make"] and len(sys.argv) == 3:
    open(sys.argv[2], "wb").write(make(sys.stdin))
else:
    sys.exit(__doc__)
