#!/usr/bin/env python3
"""Makes seeds for the fuzz targets of the capture, link and TCP rooms out of captures.

  seeds.py FROM TO [--most OCTETS]

FROM is a folder with captures, TO becomes a folder for each target. Each capture is taken in every format that editcap (Debian
package wireshark-common) writes; only its first packets, at most OCTETS (2000) in all.
"""
import argparse, os, struct, subprocess, tempfile

FORMATS = ["pcap", "nsecpcap", "modpcap", "pcapng", "netmon1", "netmon2"]


def converted(path, form, packets, folder):
    """The first packets of a capture in another format, where that can be written."""
    out = os.path.join(folder, "out")
    done = subprocess.run(["editcap", "-r", "-F", form, path, out, "1-%d" % packets], capture_output=True)
    return open(out, "rb").read() if done.returncode == 0 else b""


def packets(data):
    """Link type and frames of a little-endian pcap."""
    link, at, frames = struct.unpack_from("<I", data, 20)[0] & 0xffff, 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return link, frames


def blocks(data):
    """A little-endian pcapng as the target `pcapng` takes it."""
    out, at = b"\0", struct.unpack_from("<I", data, 4)[0]
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body = data[at + 8:at + length - 4]
        out += struct.pack("<BH", kind & 255, len(body)) + body
        at += length
    return out


def segments(link, frames):
    """TCP over IPv4 in Ethernet as the target `tcp` takes it: places are told from those of the SYNs."""
    begun, next_, out, client = [None, None], [0, 0], b"", None
    for frame in frames:
        if link != 1 or frame[12:14] != b"\x08\0" or len(frame) < 54 or frame[23] != 6:
            continue
        ip = 14 + (frame[14] & 15) * 4
        source = frame[26:30] + frame[ip:ip + 2]
        seq, ack, head, flags = struct.unpack_from(">IIBB", frame, ip + 4)
        length = max(0, struct.unpack_from(">H", frame, 16)[0] - (ip - 14) - (head >> 4) * 4)
        client = client or source
        side = int(source != client)
        for which, place in ((side, seq), (1 - side, ack)):
            if begun[which] is None and (which == side or flags & 16):
                begun[which] = next_[which] = place
        off = (seq - next_[side]) & 0xffffffff
        how, relative = side, (off + (1 << 15)) & 0xffff
        if off:
            how |= 4
        else:
            next_[side] = (seq + (flags >> 1 & 1) + min(255, -(-length // 5)) * 5 + (flags & 1)) & 0xffffffff
        out += struct.pack("<BBHHBB", flags, how, relative, 1 << 15, min(255, -(-length // 5)), 0x18)
    return struct.pack("<II", begun[0] or 0, begun[1] or 0) + out if out else b""


def seeds(path, most, folder):
    """Each seed with its target."""
    for form in FORMATS:
        data = b""
        for count in (8, 3, 1):
            data = converted(path, form, count, folder)
            if len(data) <= most:
                break
        data = data[:most]
        if not data:
            continue
        yield "capture", form, data
        if "pcapng" in form:
            yield "pcapng", form, blocks(data)
        elif "netmon" in form:
            yield "netmon", form, (b"\1" if form == "netmon1" else b"\0") + data[4:]
        else:
            which = {"pcap": 0, "nsecpcap": 2, "modpcap": 4}[form]
            yield "pcap", form, bytes([which]) + data[4:]
    data = converted(path, "pcap", 200, folder)
    if data:
        link, frames = packets(data)
        seed = struct.pack("<H", link)
        for frame in frames:
            frame = frame[:600]
            if len(seed) + 2 + len(frame) > most:
                break
            seed += struct.pack("<H", len(frame)) + frame
        if len(seed) > 2:
            yield "link", "frames", seed
        if seed := segments(link, frames)[:most]:
            yield "tcp", "segments", seed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="FROM")
    parser.add_argument("target", metavar="TO")
    parser.add_argument("--most", metavar="OCTETS", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for root, _, names in sorted(os.walk(given.source)):
            for name in sorted(names):
                if not name.endswith((".pcap", ".pcapng", ".cap", ".gz")):
                    continue
                path = os.path.join(root, name)
                label = os.path.relpath(path, given.source).replace(os.sep, "-")
                for target, form, seed in seeds(path, given.most, folder):
                    os.makedirs(os.path.join(given.target, target), exist_ok=True)
                    with open(os.path.join(given.target, target, label + "." + form), "wb") as out:
                        out.write(seed)


main()
