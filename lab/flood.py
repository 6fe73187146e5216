#!/usr/bin/env python3
"""A SYN flood as a pcap stream on standard output.

  flood.py N [--answered] | /usr/bin/time -v bothends -r - > /dev/null

N SYNs from N ends, 100,000 in each second; with --answered the server's SYN+ACK follows each, as on a server that is flooded
from addresses that do not exist.
"""
import argparse, struct, sys

SERVER = 0xc6336419  # 198.51.100.25
RATE = 100_000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", metavar="N", type=int)
    parser.add_argument("--answered", action="store_true")
    given = parser.parse_args()
    out = sys.stdout.buffer
    # Raw IP; checksums are left out, as network cards do.
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
    packet = struct.Struct("<IIII" + "20s20s")
    ip = struct.Struct(">BBHHHBBHII").pack
    tcp = struct.Struct(">HHIIBBHHH").pack
    batch = []
    for n in range(given.number):
        client, port = 0x0a000000 + n // 60_000, 1024 + n % 60_000
        second, micro = 1_700_000_000 + n // RATE, n % RATE * 10
        syn = ip(0x45, 0, 40, n & 0xffff, 0, 64, 6, 0, client, SERVER), tcp(port, 25, n, 0, 0x50, 2, 512, 0, 0)
        batch.append(packet.pack(second, micro, 40, 40, *syn))
        if given.answered:
            answer = ip(0x45, 0, 40, 0, 0, 64, 6, 0, SERVER, client), tcp(25, port, ~n & 0xffffffff, n + 1, 0x50, 18, 512, 0, 0)
            batch.append(packet.pack(second, micro + 5, 40, 40, *answer))
        if len(batch) >= 10_000:
            out.write(b"".join(batch))
            batch.clear()
    out.write(b"".join(batch))


main()
