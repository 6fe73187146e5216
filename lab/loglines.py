#!/usr/bin/env python3
"""Writes a large log out of a small real one: its lines again and again, later each time, with other ids.

    lab/loglines.py postfix 1000000000 /tmp/postfix.log
    lab/loglines.py w3c     1000000000 /tmp/w3c.log

Each round is the whole sample moved on by its own length, with process ids, queue ids and addresses of its own, so
that sessions stay sessions and none is like another. For benchmarks of the reader.
"""

import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

CAPTURES = Path(__file__).resolve().parent.parent / "captures"


class Postfix:
    """Syslog of RFC 3164; a round is 40 seconds."""

    LENGTH = timedelta(seconds=40)

    def __init__(self):
        text = (CAPTURES / "postfix/postfix.log").read_text()
        # Every place that changes from round to round becomes a slot of a format string.
        text = text.replace("{", "{{").replace("}", "}}")
        self.first = datetime(2026, 1, 1)
        base = datetime(2026, 11, 24, 3, 29, 10)

        def stamp(match):
            at = datetime.strptime("2026 " + match[0], "%Y %b %d %H:%M:%S")
            return "{t[%d]}" % int((at - base).total_seconds())

        text = re.sub(r"^\w{3} [ \d]\d \d\d:\d\d:\d\d", stamp, text, flags=re.M)
        text = re.sub(r"\[(\d{5})\]: ", lambda m: "[{p}%s]: " % m[1][-3:], text)
        text = re.sub(r"\b([0-9A-F]{5})([0-9A-F]{5,6})\b(?=:)", lambda m: "{q}" + m[2], text)
        self.text = re.sub(r"192\.0\.2\.(\d+)", r"10.{a}.{b}.\1", text)

    def round(self, number):
        at = self.first + self.LENGTH * number
        stamps = [(at + timedelta(seconds=s)).strftime("%b %e %H:%M:%S") for s in range(41)]
        return self.text.format(
            t=stamps, p=10 + number % 80, q="%05X" % (number % 0xFFFFF), a=number // 250 % 250, b=number % 250
        )


class W3c:
    """IIS SMTP in W3C extended format; a round is as long as the sample."""

    LENGTH = timedelta(seconds=60)

    def __init__(self):
        lines = (CAPTURES / "iis-netmon/ex_smtp.log").read_text().splitlines()
        self.head = [line for line in lines if line.startswith("#")]
        rows = [line for line in lines if not line.startswith("#")]
        times = [datetime.strptime(row[:19], "%Y-%m-%d %H:%M:%S") for row in rows]
        base = times[0]
        self.first = datetime(2006, 10, 9)
        parts = []
        for row, at in zip(rows, times):
            rest = row[19:].replace("{", "{{").replace("}", "}}")
            rest = re.sub(r"192\.0\.2\.(\d+)", r"10.{a}.{b}.\1", rest)
            parts.append("{t[%d]}%s" % (int((at - base).total_seconds()), rest))
        self.length = int((times[-1] - base).total_seconds()) + 1
        self.text = "\n".join(parts) + "\n"

    def round(self, number):
        at = self.first + timedelta(seconds=self.length * number)
        stamps = [(at + timedelta(seconds=s)).strftime("%Y-%m-%d %H:%M:%S") for s in range(self.length)]
        text = self.text.format(t=stamps, a=number // 250 % 250, b=number % 250)
        return text if number else "\n".join(self.head) + "\n" + text


def main():
    kind, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    maker = {"postfix": Postfix, "w3c": W3c}[kind]()
    written = number = 0
    with open(path, "w", buffering=1 << 20) as out:
        while written < size:
            written += out.write(maker.round(number))
            number += 1


if __name__ == "__main__":
    main()
