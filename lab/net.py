"""A small internet in network namespaces: a client, a router and a server; captures of it; and a slow wire.

All addresses are for documentation: clients 192.0.2.10 and .11, servers 198.51.100.25 to .28, 198.51.100.99 belongs to nobody.
"""
import contextlib
import ctypes
import heapq
import os
import random
import select
import signal
import socket
import struct
import subprocess
import threading
import time

CLIENT, OTHER_CLIENT, CLIENT_GATEWAY = "192.0.2.10", "192.0.2.11", "192.0.2.1"
MAIL, WEB, SLOW, STRICT, NAMES, NOBODY = ("198.51.100.%d" % n for n in (25, 26, 27, 28, 53, 99))
SERVER_GATEWAY = "198.51.100.1"
SERVER_V6, CLIENT_V6 = "2001:db8:2::25", "2001:db8:1::10"

_libc = ctypes.CDLL(None, use_errno=True)
_NEWNET = 0x40000000


def run(*words, check=True, **options):
    return subprocess.run([str(word) for word in words], check=check, **options)


class Namespace:
    """One network namespace. `with namespace:` puts the calling thread into it, so that sockets made there belong to it."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *words, **options):
        return run("ip", "netns", "exec", self.name, *words, **options)

    def start(self, *words, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, words)], **options)

    @contextlib.contextmanager
    def inside(self):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open("/run/netns/" + self.name, os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(before)
            os.close(before)
            os.close(there)

    def socket(self, kind=socket.SOCK_STREAM, family=socket.AF_INET, proto=0):
        with self.inside():
            return socket.socket(family, kind, proto)

    def filter(self, hook, *rules):
        """Sets the rules of one netfilter hook, in place of those that were there."""
        lines = ["flush table inet lab", "add chain inet lab %s { type filter hook %s priority 0; }" % (hook, hook)]
        lines += ["add rule inet lab %s %s" % (hook, rule) for rule in rules]
        self.run("nft", "add table inet lab; delete table inet lab; add table inet lab")
        self.run("nft", "-f", "-", input="\n".join(lines), text=True)

    def clear(self):
        self.run("nft", "add table inet lab; delete table inet lab")

    def delete(self):
        run("ip", "netns", "del", self.name, check=False)


def _enter(descriptor):
    if _libc.setns(descriptor, _NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Net:
    """client -- router -- server, each in its own namespace."""

    def __init__(self):
        prefix = "lab%d" % os.getpid()
        self.client, self.router, self.server = (Namespace(prefix + n) for n in ("c", "r", "s"))
        self._link(self.client, "to-client", [CLIENT + "/24", OTHER_CLIENT + "/24", CLIENT_V6 + "/64"],
                   [CLIENT_GATEWAY + "/24", "2001:db8:1::1/64"])
        self._link(self.server, "to-server",
                   [a + "/24" for a in (MAIL, WEB, SLOW, STRICT, NAMES)] + [SERVER_V6 + "/64"],
                   [SERVER_GATEWAY + "/24", "2001:db8:2::1/64"])
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0"):
            self.router.run("sysctl", "-qw", setting)

    def _link(self, host, far, addresses, gateways):
        run("ip", "link", "add", "eth0", "netns", host.name, "type", "veth", "peer", "name", far, "netns", self.router.name)
        for namespace, name, own in ((host, "eth0", addresses), (self.router, far, gateways)):
            for address in own:
                quick = ["nodad"] if ":" in address else []
                namespace.run("ip", "address", "add", address, "dev", name, *quick)
            namespace.run("ethtool", "-K", name, "tso", "off", "gso", "off", "gro", "off", "tx", "off", stdout=subprocess.DEVNULL)
            namespace.run("ip", "link", "set", name, "up")
        for gateway in gateways:
            host.run("ip", "route", "replace", "default", "via", gateway.split("/")[0])

    def reset(self):
        """Takes all filters and limits away."""
        for namespace in (self.client, self.router, self.server):
            namespace.clear()
        for name in ("to-client", "to-server"):
            self.router.run("ip", "link", "set", name, "mtu", 1500)
            self.router.run("tc", "qdisc", "del", "dev", name, "root", check=False, stderr=subprocess.DEVNULL)
            self.router.run("ip", "neighbour", "flush", "dev", name, stderr=subprocess.DEVNULL)
        for host in (self.client, self.server):
            host.run("ip", "route", "flush", "cache")
            host.run("ip", "tcp_metrics", "flush", "all", check=False, stderr=subprocess.DEVNULL)

    def delete(self):
        for namespace in (self.client, self.router, self.server):
            namespace.delete()


@contextlib.contextmanager
def capture(namespace, path, interface="eth0", only="", snap=0):
    """Captures what passes `interface` into a pcapng file with nanosecond stamps."""
    raw = path + ".raw"
    command = ["tcpdump", "-i", interface, "-n", "-U", "--immediate-mode", "--time-stamp-precision=nano", "-s", str(snap), "-w", raw]
    process = namespace.start(*command, *only.split(), stderr=subprocess.PIPE, text=True)
    process.stderr.readline()
    time.sleep(0.2)
    try:
        yield
    finally:
        time.sleep(0.5)
        stop(process, signal.SIGINT)
        run("editcap", "-F", "pcapng", raw, path)
        os.remove(raw)


def stop(process, how=signal.SIGTERM):
    """Ends a child and waits for it."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Forger:
    """A box at the router that answers a server's line that begins with `word` by a reset in the client's name, hops and all."""

    def __init__(self, net, word, hops=63):
        self.router, self.word, self.hops, self.done = net.router, word, hops, threading.Event()

    def __enter__(self):
        self.ear = self.router.socket(socket.SOCK_RAW, socket.AF_PACKET, socket.htons(0x0800))
        self.ear.bind(("to-server", 0x0800))
        self.ear.settimeout(0.2)
        self.mouth = self.router.socket(socket.SOCK_RAW, socket.AF_INET, socket.IPPROTO_RAW)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        return self

    def _listen(self):
        while not self.done.is_set():
            with contextlib.suppress(TimeoutError):
                packet = self.ear.recv(65536)[14:]
                if packet[9] != socket.IPPROTO_TCP:
                    continue
                inner = packet[(packet[0] & 15) * 4:struct.unpack("!H", packet[2:4])[0]]
                data = inner[(inner[12] >> 4) * 4:]
                if data.startswith(self.word):
                    self._reset(packet[12:16], packet[16:20], inner, len(data))

    def _reset(self, server, client, segment, length):
        ports, seq, ack = segment[:4], *struct.unpack("!II", segment[4:12])
        head = ports[2:] + ports[:2] + struct.pack("!IIBBHHH", ack, (seq + length) & 0xffffffff, 5 << 4, 0x14, 0, 0, 0)
        total = sum(struct.unpack("!16H", client + server + struct.pack("!HH", 6, 20) + head))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        head = head[:16] + struct.pack("!H", ~total & 0xffff) + head[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 54321, 0x4000, self.hops, 6, 0) + client + server
        self.mouth.sendto(ip + head, (socket.inet_ntoa(server), 0))

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.ear.close()
        self.mouth.close()


class SlowWire:
    """Forwards frames from one interface to another in user space, late and not all of them.

    It stands between the router and a host, for kernels without netem: the host's link is replaced by two links with this between.
    """

    def __init__(self, net, delay, loss, seed=1):
        self.delay, self.loss, self.chance = delay, loss, random.Random(seed)
        self.net, self.done = net, threading.Event()
        self.dropped = 0

    def __enter__(self):
        router, client = self.net.router, self.net.client
        self.middle = Namespace(router.name + "w")
        client.run("ip", "link", "set", "eth0", "netns", self.middle.name, "name", "spare")
        run("ip", "link", "add", "eth0", "netns", client.name, "type", "veth", "peer", "name", "left", "netns", self.middle.name)
        for namespace, name in ((client, "eth0"), (self.middle, "left"), (self.middle, "spare")):
            namespace.run("ethtool", "-K", name, "tso", "off", "gso", "off", "gro", "off", "tx", "off", stdout=subprocess.DEVNULL)
            namespace.run("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % name)
            namespace.run("ip", "link", "set", name, "up")
        for address in (CLIENT, OTHER_CLIENT):
            client.run("ip", "address", "add", address + "/24", "dev", "eth0")
        client.run("ip", "route", "replace", "default", "via", CLIENT_GATEWAY)
        self.ends = []
        for name in ("left", "spare"):
            end = self.middle.socket(socket.SOCK_RAW, socket.AF_PACKET, socket.htons(3))
            end.bind((name, 3))
            self.ends.append(end)
        self.thread = threading.Thread(target=self._forward, daemon=True)
        self.thread.start()
        return self

    def _forward(self):
        waiting, number = [], 0
        while not self.done.is_set():
            timeout = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            for end in select.select(self.ends, [], [], timeout)[0]:
                frame, origin = end.recvfrom(65536)
                if origin[2] == socket.PACKET_OUTGOING:
                    continue
                if frame[12:14] == b"\x08\x00" and self.chance.random() < self.loss:
                    self.dropped += 1
                    continue
                number += 1
                heapq.heappush(waiting, (time.monotonic() + self.delay, number, self.ends[end is self.ends[0]], frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, frame = heapq.heappop(waiting)
                end.send(frame)

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        for end in self.ends:
            end.close()
        client = self.net.client
        client.run("ip", "link", "del", "eth0")
        self.middle.run("ip", "link", "set", "spare", "netns", client.name, "name", "eth0")
        for address in (CLIENT + "/24", OTHER_CLIENT + "/24", CLIENT_V6 + "/64"):
            client.run("ip", "address", "replace", address, "dev", "eth0")
        client.run("ip", "link", "set", "eth0", "up")
        client.run("ip", "route", "replace", "default", "via", CLIENT_GATEWAY)
        self.middle.delete()
