#!/usr/bin/env python3
"""Cuts a small capture with its log out of a large one.

  cut.py CASE OUT --log FILE --sessions N [--netmon]

CASE is a folder with capture.pcap (or capture.cap), logs/ and truth.json: its `sessions` say which connection
(`ip:port>ip:port`) which lines of which log belong to, what was said, and how. Small sessions of every kind are taken in turn,
with all packets of their connections and all log lines about them, the lines of their messages included.
"""
import argparse, json, os, re, struct, subprocess, tempfile


def packets(path):
    """Yields the file header and then (record header, bytes) of a little-endian pcap."""
    data = open(path, "rb").read()
    yield data[:24], None
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at:at + 16], data[at + 16:at + 16 + length]
        at += 16 + length


def ends(frame):
    """The two ends of a TCP packet in Ethernet and IPv4, in an order that does not depend on the direction."""
    if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    start = 14 + (frame[14] & 15) * 4
    source, destination = struct.unpack_from(">HH", frame, start)
    text = lambda octets, port: "%d.%d.%d.%d:%d" % (*octets, port)
    return tuple(sorted((text(frame[26:30], source), text(frame[30:34], destination))))


def choose(sessions, log, wanted):
    """The smallest sessions of each kind, kinds in turn."""
    size = lambda s: sum(e.get("response_bytes") or 0 for e in s["exchanges"]) + sum(
        int(e["request"].split()[1]) for e in s["exchanges"] if e["request"].startswith("<body"))
    kinds = {}
    for session in sorted(sessions, key=size):
        if log in session["lines"]:
            kinds.setdefault((session["kind"], session["tls"]), []).append(session)
    chosen = []
    while len(chosen) < wanted and any(kinds.values()):
        for kind in sorted(kinds):
            if kinds[kind] and len(chosen) < wanted:
                chosen.append(kinds[kind].pop(0))
    return chosen


def lines(case, log, chosen):
    """The log's lines about the chosen sessions and their messages."""
    text = open(os.path.join(case, "logs", log), encoding="latin1").read().splitlines()
    own = {n for session in chosen for n in session["lines"][log]}
    ids = {m[1] for n in own if (m := re.search(r": ([0-9A-Za-z]{6,}): client=", text[n - 1]))}
    about = lambda line: (m := re.search(r"\]: ([0-9A-Za-z]{6,}): ", line)) and m[1] in ids
    return [line for n, line in enumerate(text, 1) if n in own or line.startswith("#") or about(line)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case")
    parser.add_argument("out")
    parser.add_argument("--log", required=True)
    parser.add_argument("--sessions", type=int, default=12)
    parser.add_argument("--netmon", action="store_true", help="write a Network Monitor 2 file (takes editcap)")
    args = parser.parse_args()
    truth = json.load(open(os.path.join(args.case, "truth.json")))
    chosen = choose([s for s in truth["sessions"] if s["on_wire"]], args.log, args.sessions)
    keys = {tuple(sorted(session["key"].split(">"))) for session in chosen}
    os.makedirs(args.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(args.case, "capture.pcap")
        if not os.path.exists(source):
            source = os.path.join(folder, "source.pcap")
            subprocess.run(["editcap", "-F", "pcap", os.path.join(args.case, "capture.cap"), source], check=True)
        cut = os.path.join(folder, "cut.pcap")
        with open(cut, "wb") as out:
            for header, frame in packets(source):
                if frame is None:
                    out.write(header)
                elif ends(frame) in keys:
                    out.write(header + frame)
        name, form = ("wire.cap", "netmon2") if args.netmon else ("wire.pcapng", "pcapng")
        subprocess.run(["editcap", "-F", form, cut, os.path.join(args.out, name)], check=True)
    with open(os.path.join(args.out, args.log), "w", encoding="latin1") as out:
        out.write("\n".join(lines(args.case, args.log, chosen)) + "\n")
    joins = {s["key"]: [s["kind"], s["tls"]] for s in chosen}
    for key, (kind, tls) in sorted(joins.items()):
        print(f"{key}  {kind}  {tls}")


if __name__ == "__main__":
    main()
