#!/usr/bin/env python3
"""Feeds one recorded run, again and again with clients of its own, to a `bothends --follow` that runs meanwhile, and measures it.

  feed.py CAPTURE LOG... --out DIR [--times N] [--step SECONDS] [--speed X] [--clients N] [--blind] [--keep] [-- ARGUMENTS of bothends]
CAPTURE is a classic pcap (Ethernet, IPv4, microseconds), each LOG one of Postfix, Dovecot or nginx with whole seconds. The copies start
--step seconds of the capture apart, and time passes --speed times as fast as it did. Client addresses repeat after --clients copies. --blind takes
ports and session ids out of the lines; --keep writes all that was fed to DIR/all.pcap, to be read by a run that has it at once. Every ten
seconds a line says what was fed, what came out, how much memory it takes, and the lag: how far the capture was beyond a session's end when
its record came.
"""
import argparse, base64, datetime as dt, json, os, re, struct, subprocess, sys, threading, time
import numpy as np

IP = re.compile(r"(?<![\d.])(192\.0\.2\.\d+|203\.0\.113\.\d+|10\.9\.0\.\d+)(?![\d.])")
ID = re.compile(r"(session=<|(?:imap|pop3)\([^)]*\)<\d+><)([A-Za-z0-9+/]{16,})(>)")
SLICE = 0.1  # seconds of the clock on the wall


def arguments():
    own, rest = sys.argv[1:], []
    if "--" in own: at = own.index("--"); own, rest = own[:at], own[at + 1:]
    ap = argparse.ArgumentParser()
    ap.add_argument("capture"); ap.add_argument("logs", nargs="+"); ap.add_argument("--out", required=True)
    ap.add_argument("--program", default="target/release/bothends")
    ap.add_argument("--times", type=int, default=10); ap.add_argument("--step", type=float, default=1.0)
    ap.add_argument("--speed", type=float, default=1.0); ap.add_argument("--clients", type=int, default=65536)
    ap.add_argument("--blind", action="store_true"); ap.add_argument("--keep", action="store_true")
    return ap.parse_args(own), rest


class Packets:
    """The packets of the run, and copies of them."""

    def __init__(self, path):
        data = open(path, "rb").read(); assert data[:4] == b"\xd4\xc3\xb2\xa1", "a little-endian pcap of microseconds"
        self.header, at, starts, times = data[:24], 24, [], []
        while at + 16 <= len(data):
            s, u, c, _ = struct.unpack_from("<IIII", data, at); starts.append(at - 24); times.append(s * 1000000 + u); at += 16 + c
        self.base = np.frombuffer(data[24:at], np.uint8); self.ends = starts[1:] + [at - 24]; self.starts = starts
        order = np.argsort(np.array(times), kind="stable"); self.order = order.tolist()
        self.times = np.array(times, np.int64); self.sorted = self.times[order]; self.begin, self.end = int(self.sorted[0]), int(self.sorted[-1])
        b, s = self.base, np.array(starts); ip = s[(b[s + 28] == 8) & (b[s + 29] == 0) & (b[s + 30] == 0x45)] + 30
        self.ip, self.s = ip, s
        self.fields = []
        for f in (12, 16):
            a = np.stack([b[ip + f + i] for i in range(4)], 1)
            mine = ~((a[:, 0] == 198) & (a[:, 1] == 51)) & (a[:, 0] < 224)
            self.fields.append((ip[mine] + f, (a[mine, 3].astype(int) + 32 * (a[mine, 0].astype(int) & 7)) & 255))

    def copy(self, k, later, clients):
        b = self.base.copy(); t = self.times + later
        for i, v in ((0, t // 1000000), (4, t % 1000000)):
            for byte in range(4): b[self.s + i + byte] = (v >> (8 * byte)) & 255
        if k % clients:
            c = k % clients
            for at, last in self.fields: b[at], b[at + 1], b[at + 2], b[at + 3] = 10, (c >> 8) & 255, c & 255, last
            b[self.ip + 10] = b[self.ip + 11] = 0
            total = sum(b[self.ip + w].astype(np.int64) << 8 | b[self.ip + w + 1] for w in range(0, 20, 2))
            total = (total & 65535) + (total >> 16); total = ~((total & 65535) + (total >> 16)) & 65535
            b[self.ip + 10], b[self.ip + 11] = total >> 8, total & 255
        return memoryview(b.tobytes())


class Lines:
    """The lines of a log, each with the second that it is of and a way to say it again later."""
    FORMS = ((re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"), "%b %d %H:%M:%S", True),
             (re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "%Y-%m-%d %H:%M:%S", False),
             (re.compile(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]"), "[%d/%b/%Y:%H:%M:%S +0000]", False))

    def __init__(self, path, year, blind):
        self.name, self.rows = os.path.basename(path), []
        for line in open(path, encoding="latin1").read().splitlines():
            if blind: line = blinded(line)
            for form, words, yearless in self.FORMS:
                m = form.search(line)
                if m: break
            else: continue
            at = dt.datetime.strptime(f"{year} {m[0]}" if yearless else m[0], f"%Y {words}" if yearless else words.replace(" +0000", " +0000"))
            self.rows.append((int(at.replace(tzinfo=dt.timezone.utc).timestamp()), m.start(), m.end(), words, line))
        self.rows.sort(key=lambda row: row[0])

    def again(self, n, k, later, clients):
        at, a, b, words, line = self.rows[n]
        line = line[:a] + dt.datetime.fromtimestamp(at + later, dt.timezone.utc).strftime(words) + line[b:]
        line = re.sub(r"(postfix/(?:smtps/)?\w+)\[(\d+)\]:", lambda m: f"{m[1]}[{int(m[2]) + 40000 * k}]:", line, count=1)
        c = k % clients
        line = ID.sub(lambda m: m[1] + later_id(m[2], later, c) + m[3], line)
        if c: line = IP.sub(lambda m: "10.%d.%d.%d" % (c >> 8 & 255, c & 255, last(m[1])), line)
        return line + "\n"


def later_id(text, later, c):
    """A session id of Dovecot has the time in microseconds, the client's port and its address inside."""
    b = base64.b64decode(text + "=" * (-len(text) % 4))
    if len(b) != 12: return text
    at = int.from_bytes(b[:6], "little") + later * 1000000 & (1 << 48) - 1
    ip = bytes([10, c >> 8 & 255, c & 255, (b[11] + 32 * (b[8] & 7)) & 255]) if c else b[8:]
    return base64.b64encode(at.to_bytes(6, "little") + b[6:8] + ip).decode().rstrip("=")


def last(ip): b = [int(x) for x in ip.split(".")]; return (b[3] + 32 * (b[0] & 7)) & 255


def blinded(line):
    line = re.sub(r"(\[\d+\.\d+\.\d+\.\d+\]):\d+", r"\1", line)
    line = re.sub(r"(\))<\d+><[^>]+>", r"\1", re.sub(r", session=<[^>]+>", "", line))
    return re.sub(r'(" \d+ .*") \d+$', r"\1", line)


class Heard:
    """What the program says."""

    def __init__(self, out, keep):
        self.sessions = self.both = self.findings = 0; self.lags, self.now, self.clocks = [], 0.0, {}
        self.out, self.keep, self.last = out, open(keep, "w"), None

    def run(self):
        for line in self.out:
            self.keep.write(line); r = json.loads(line); kind = r["type"]
            if kind == "session":
                self.sessions += 1; self.both += r["seen"] == "both"
                if r["end"]: self.lags.append(self.now - stamp(r["end"]))
            elif kind == "clock": self.clocks[r["log"]] = (r["offset_s"], r["bound_s"])
            elif kind == "finding": self.findings += 1
            self.last = r
        self.keep.close()


def stamp(text): return dt.datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


def memory(pid):
    try: words = dict(l.split(":", 1) for l in open(f"/proc/{pid}/status").read().splitlines() if ":" in l)
    except OSError: return 0, 0
    return int(words.get("VmRSS", "0 kB").split()[0]) // 1024, int(words.get("VmHWM", "0 kB").split()[0]) // 1024


def spent(pid):
    try: f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError: return 0.0
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def main():
    a, rest = arguments()
    packets = Packets(a.capture); year = dt.datetime.fromtimestamp(packets.begin / 1e6, dt.timezone.utc).year
    logs = [Lines(path, year, a.blind) for path in a.logs]
    os.makedirs(a.out + "/logs", exist_ok=True); pipe = a.out + "/pipe"
    if not os.path.exists(pipe): os.mkfifo(pipe)
    outs = [open(f"{a.out}/logs/{log.name}", "w", encoding="latin1") for log in logs]
    command = [a.program, "--follow", "--json", "-q", "--year", str(year), "-r", pipe]
    for log in logs: command += ["-l", f"{a.out}/logs/{log.name}"]
    child = subprocess.Popen(command + rest, stdout=subprocess.PIPE, stderr=open(a.out + "/stderr", "w"), text=True, encoding="utf-8")
    heard = Heard(child.stdout, a.out + "/out.jsonl"); reader = threading.Thread(target=heard.run); reader.start()
    fifo = open(pipe, "wb", buffering=0); fifo.write(packets.header)
    kept = open(a.out + "/all.pcap", "wb") if a.keep else None
    if kept: kept.write(packets.header)
    step = int(a.step * 1e6); live, made = {}, 0; pos, rows = {}, {}
    clock, began, told, behind, lost = packets.begin, time.monotonic(), 0.0, 0.0, False
    until = packets.end + (a.times - 1) * step + 2000000
    try:
        while clock < until:
            clock += int(SLICE * 1e6 * a.speed)
            while made < a.times and packets.begin + made * step <= clock:
                live[made], pos[made], rows[made] = packets.copy(made, made * step, a.clients), 0, [0] * len(logs); made += 1
            due, text = [], [[] for _ in logs]
            for k in list(live):
                later, buffer = k * step, live[k]
                to = int(np.searchsorted(packets.sorted, clock - later, "right"))
                for n in packets.order[pos[k]:to]: due.append((int(packets.times[n]) + later, buffer[packets.starts[n]:packets.ends[n]]))
                pos[k] = to; seconds, done = int(round(later / 1e6)), to == len(packets.order)
                for i, log in enumerate(logs):
                    n = rows[k][i]
                    while n < len(log.rows) and (log.rows[n][0] + seconds + 1) * 1000000 <= clock:
                        text[i].append((log.rows[n][0] + seconds, k, log.again(n, k, seconds, a.clients))); n += 1
                    rows[k][i] = n; done &= n == len(log.rows)
                if done: del live[k], pos[k], rows[k]
            for i, out in enumerate(outs):
                text[i].sort(key=lambda row: row[0])
                out.write("".join(row[2] for row in text[i])); out.flush()
            due.sort(key=lambda one: one[0]); data = b"".join(one[1] for one in due)
            view = memoryview(data)
            while view: view = view[fifo.write(view):]
            if kept: kept.write(data)
            heard.now = clock / 1e6
            gone = time.monotonic() - began; ahead = (clock - packets.begin) / 1e6 / a.speed - gone
            behind = max(behind, -ahead)
            if ahead > 0: time.sleep(ahead)
            if gone - told >= 10: told = gone; say(child.pid, heard, clock - packets.begin, made, gone, behind)
    except BrokenPipeError: lost = True
    say(child.pid, heard, clock - packets.begin, made, time.monotonic() - began, behind)
    cpu = spent(child.pid); fifo.close(); at = time.monotonic(); child.wait(); reader.join()
    print(f"ended {time.monotonic() - at:.1f} s after the packets, status {child.returncode}; {cpu:.0f} s of processor time before that{' (it ended early)' if lost else ''}")
    print(json.dumps(heard.last))


def say(pid, heard, fed, made, gone, behind):
    lags, heard.lags = sorted(heard.lags), []
    lag = " ".join(f"{lags[min(len(lags) - 1, len(lags) * p // 100)]:.0f}" for p in (50, 95, 100)) if lags else "-"
    rss, most = memory(pid); clocks = " ".join(f"{o:+.3f}±{b:.3f}" for o, b in heard.clocks.values())
    print(f"{gone:6.0f} s  capture {fed / 6e7:7.1f} min  copies {made:6}  given {heard.sessions:8} both {heard.both:8} found {heard.findings:4}  RSS {rss:5} MB (most {most})  "
          f"cpu {spent(pid):6.1f} s  lag s {lag}  behind {behind:.1f} s  {clocks}", flush=True)


main()
