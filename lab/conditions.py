"""Conditions that go wrong in known ways: each made for real, captured, and told what a diagnosis should find."""
import contextlib
import json
import os
import random
import socket
import ssl
import sys
import threading
import time

from net import (CLIENT, MAIL, NAMES, NOBODY, OTHER_CLIENT, SLOW, STRICT, WEB, Forger, Net, SlowWire, capture)
from services import USERS, Services
from talk import MX, Names, Server, Talk, mail, message, resolve, trusting

CONDITIONS = {}
GONE = (OSError, EOFError)


def condition(name, fires, why, side="client", only="", sessions=None, interface="eth0", snap=0):
    """Names a function that makes one condition; `sessions` counts what a reader of the capture must see, by protocol."""
    def keep(make):
        CONDITIONS[name] = dict(make=make, fires=fires, why=why, side=side, only=only, sessions=sessions or {}, interface=interface, snap=snap)
        return make
    return keep


class Stage:
    """What a condition works with: the net, the servers, and short ways to the usual clients."""

    def __init__(self, net, services, seed=None):
        self.chance, self.source, self.also = random.Random(seed) if seed is not None else None, None, {}
        self.net, self.services, self.client, self.server, self.router = net, services, net.client, net.server, net.router

    def begin(self):
        """By the seed another client does all of a condition; nothing is to be told of it yet beside what all tell."""
        self.source = self.chance.choice((CLIENT, OTHER_CLIENT)) if self.chance else None
        self.also = {}

    def times(self, usual):
        """How often something is done: as usual, or by the seed up to twice as often."""
        return range(usual if self.chance is None else self.chance.randint(usual, 2 * usual))

    def about(self, usual):
        """How long something takes or how large it is: as usual, or by the seed two thirds to one and a half of it."""
        return usual if self.chance is None else type(usual)(usual * self.chance.uniform(0.67, 1.5))

    def talk(self, address=MAIL, port=25, **options):
        if self.source:
            options.setdefault("source", self.source)
        return Talk(self.client, address, port, **options)

    def web(self, *paths, address=WEB, port=80, pause=0, **options):
        talk = self.talk(address, port, **options)
        for path in paths:
            talk.send(("GET %s HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: lab\r\n\r\n" % path).encode())
            head = []
            while line := talk.line():
                head.append(line)
            length = next(int(line.split(":")[1]) for line in head if line.lower().startswith("content-length"))
            while len(talk.held) < length:
                talk.held += talk.socket.recv(65536)
            talk.held = talk.held[length:]
            time.sleep(pause)
        talk.close()

    def pop(self, user, password, *commands, port=110, **options):
        """A POP3 session: gives the answer to PASS."""
        talk = self.talk(port=port, **options)
        talk.line()
        talk.pop("USER " + user)
        answer = talk.pop("PASS " + password)
        if answer.startswith("+OK"):
            for command in commands:
                talk.pop(command, block=command.split()[0] in ("RETR", "LIST", "UIDL", "CAPA"))
        talk.pop("QUIT")
        talk.close()
        return answer

    def imap(self, user, password, *commands, pause=0):
        talk = self.talk(port=143)
        talk.line()
        answer = talk.imap("a0", "LOGIN %s %s" % (user, password))
        for number, command in enumerate(commands if " OK" in answer else (), 1):
            talk.imap("a%d" % number, command)
            time.sleep(pause)
        talk.imap("a99", "LOGOUT")
        talk.close()
        return answer

    def resolve(self, name, **options):
        return resolve(self.client, NAMES, name, source=self.source, **options)

    def refused(self, address=MAIL, port=25, timeout=3, **options):
        """Tries to connect where it must fail."""
        try:
            self.talk(address, port, timeout=timeout, **options).close()
        except OSError:
            return
        raise AssertionError("%s:%d let us in" % (address, port))


# What works.

@condition("clean", [], "SMTP, POP3, IMAP and HTTP that work, in the clear and in TLS", side="server",
           sessions={"smtp": 2, "pop3": 2, "imap": 1, "http": 1, "tls": 1})
def clean(stage):
    stage.services.fill("user1", [600, 900])
    mail(stage.talk())
    talk = stage.talk()
    talk.reply()
    talk.ask("EHLO client.example.net")
    talk.ask("STARTTLS")
    talk.tls(trusting())
    talk.ask("EHLO client.example.net")
    mail(talk, greet=False)
    stage.pop("user1", "secret1", "STAT", "LIST", "RETR 1")
    stage.pop("user1", "secret1", "STAT", "UIDL")
    stage.imap("user1", "secret1", "SELECT INBOX", "FETCH 1:* (FLAGS)")
    stage.web("/small.txt", "/small.txt?again")
    talk = stage.talk(WEB, 443).tls(trusting(), "www.example.com")
    talk.send(b"GET /small.txt HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
    talk.rest()
    talk.close()


# No connection.

@condition("closed", ["connection-refused"], "nothing listens on port 2525: the host answers SYN with RST, three times a second apart")
def closed(stage):
    for _ in stage.times(3):
        stage.refused(port=2525)
        time.sleep(1)


@condition("filtered", ["connection-dropped"], "the router drops SYN to port 25 without a word while POP3 of the same host works")
def filtered(stage):
    stage.router.filter("forward", "tcp dport 25 drop")
    stage.pop("user1", "secret1", "STAT")
    stage.refused(timeout=8)


@condition("filtered-by-address", ["connection-dropped"], "the router drops SYN of one client to port 25 while another's mail passes: its log tells of the other alone",
           sessions={"smtp": 6})
def filtered_by_address(stage):
    stage.router.filter("forward", "ip saddr %s tcp dport 25 drop" % CLIENT)
    for turn in stage.times(6):
        if turn == 3:
            stage.refused(timeout=4, source=CLIENT)
        mail(stage.talk(source=OTHER_CLIENT))
        time.sleep(2)


@condition("wrong-port", ["connection-refused"], "one client tries port 2525 where nothing listens, another sends mail by port 25 of the same host", sessions={"smtp": 4, "pop3": 1})
def wrong_port(stage):
    for turn in stage.times(4):
        mail(stage.talk(source=OTHER_CLIENT))
        if turn in (1, 2):
            stage.refused(port=2525, source=CLIENT)
        time.sleep(0.7)
    stage.pop("user1", "secret1", "STAT", source=OTHER_CLIENT)


@condition("rejected", ["connection-rejected"], "the server's own filter answers SYN with ICMP administratively prohibited (3/13)")
def rejected(stage):
    stage.server.filter("input", "tcp dport 25 reject with icmp type admin-prohibited")
    for _ in stage.times(2):
        stage.refused()
        time.sleep(1)


@condition("rejected-by-router", ["connection-rejected"], "the router 192.0.2.1, not the server, answers SYN with ICMP administratively prohibited")
def rejected_by_router(stage):
    stage.router.filter("forward", "tcp dport 25 reject with icmp type admin-prohibited")
    for _ in stage.times(2):
        stage.refused()
        time.sleep(1)


@condition("dead-host", ["host-dead"], "192.0.2.99, on the client's own link, belongs to nobody: ARP is asked and not answered, so no SYN leaves", side="client")
def dead_host(stage):
    for _ in stage.times(2):
        stage.refused("192.0.2.99", timeout=6)
        time.sleep(1)


@condition("dead-host-behind-router", ["host-dead"], "198.51.100.99 belongs to nobody: the router's ARP is unanswered and it says host unreachable (3/1)")
def dead_host_behind_router(stage):
    for port in (25, 110):
        stage.refused(NOBODY, port, timeout=6)


@condition("dead-host-at-server-link", ["host-dead"], "the same seen on the server's link: the router's ARP for 198.51.100.99 goes unanswered", side="server")
def dead_host_at_server_link(stage):
    for port in (25, 110):
        stage.refused(NOBODY, port, timeout=6)


@condition("backlog-full", ["backlog-full"], "a listener that never accepts, its queue full: two connections get no greeting, further SYN no answer", side="server")
def backlog_full(stage):
    listener = stage.server.socket()
    listener.bind((MAIL, 2527))
    listener.listen(1)
    held = [stage.talk(port=2527) for _ in range(2)]
    for _ in stage.times(2):
        stage.refused(port=2527, timeout=4)
    for talk in held:
        talk.close()
    listener.close()


# Names.

def _looked_up(stage, name, port=25):
    address = stage.resolve(name)
    if isinstance(address, str):
        stage.refused(address, port, timeout=5)
    return address


@condition("dns-nxdomain", ["dns-failed"], "the name server says NXDOMAIN, also with the search domain; the client gives up")
def dns_nxdomain(stage):
    with Names(stage.server, NAMES, lambda kind, name: 3):
        for name in ("mial.example.com", "mial.example.com.example.net"):
            stage.resolve(name, number=len(name))
            stage.resolve(name, kind=28, number=len(name) + 1)


@condition("dns-servfail", ["dns-failed"], "the name server says SERVFAIL; the client asks again and gives up")
def dns_servfail(stage):
    with Names(stage.server, NAMES, lambda kind, name: 2):
        for number in (7, 8):
            stage.resolve("mail.example.com", number=number)


@condition("dns-noanswer", ["dns-failed"], "the name server hears the question three times and does not answer")
def dns_noanswer(stage):
    with Names(stage.server, NAMES, lambda kind, name: None):
        stage.resolve("mail.example.com")


@condition("dns-stale", ["dns-wrong-address"], "the name server gives 198.51.100.26, where no mail server listens: connection refused")
def dns_stale(stage):
    with Names(stage.server, NAMES, lambda kind, name: WEB):
        _looked_up(stage, "mail.example.com")


@condition("dns-stale-dead", ["dns-wrong-address"], "the name server gives 198.51.100.99, which belongs to nobody: host unreachable")
def dns_stale_dead(stage):
    with Names(stage.server, NAMES, lambda kind, name: NOBODY):
        _looked_up(stage, "mail.example.com")


# Slowness.

@condition("slow-server", ["slow-server"], "Postfix waits 2 s before each reply to RCPT and 1 s before that to DATA; the network takes microseconds", side="server",
           sessions={"smtp": 3})
def slow_server(stage):
    for _ in stage.times(3):
        mail(stage.talk(SLOW), recipients=("user1@example.com", "user2@example.com"))


@condition("slow-web", ["slow-server"], "nginx waits 1.5 s for what it fetches /slow from; /small.txt is quick", side="server", sessions={"http": 2})
def slow_web(stage):
    def slow(connection):
        connection.recv(4096)
        time.sleep(1.5)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nslow\n")
    with Server(stage.server, "127.0.0.1", 8000, slow):
        for _ in stage.times(2):
            stage.web("/small.txt", "/slow", "/slow", "/small.txt")


@condition("think-time", ["slow-client", "slow-network", "slow-server"],
           "a server that thinks for 0 to 1.8 s, by command, and writes down how long it did (thought_ms), 60 ms away, and a client that pauses 1.5 s before each command",
           sessions={"smtp": 6})
def think_time(stage):
    thought = {}

    def serve(connection):
        connection.sendall(b"220 mail.example.com ESMTP\r\n")
        for number, line in enumerate(connection.makefile("rb")):
            began, verb = time.monotonic(), line.split()[0].decode()
            time.sleep({"MAIL": 1.3, "RCPT": 1.0 + 0.2 * number, "RSET": 0.05}.get(verb, 0))
            thought.setdefault(verb, []).append(time.monotonic() - began)
            connection.sendall(b"250 ok\r\n" if verb != "QUIT" else b"221 bye\r\n")

    def session():
        talk = stage.talk(STRICT, 2500)
        talk.reply()
        for line in ("EHLO client.example.net", "MAIL FROM:<a@example.net>", "RCPT TO:<user1@example.com>", "RCPT TO:<user2@example.com>", "RSET"):
            time.sleep(1.5)
            talk.ask(line)
        talk.ask("QUIT")
        talk.close()

    with Server(stage.server, STRICT, 2500, serve), SlowWire(stage.net, delay=0.06, loss=0), _capture(stage, "client"):
        threads = [threading.Thread(target=session) for _ in range(6)]
        for thread in threads:
            thread.start()
            time.sleep(0.2)
        for thread in threads:
            thread.join()
    stage.also = {"thought_ms": {verb: [round(1000 * one, 3) for one in sorted(times)] for verb, times in sorted(thought.items())}}


@condition("server-error", ["server-error"], "the program behind nginx is not there: it answers 502 for /slow, while /small.txt works", side="server", sessions={"http": 3})
def server_error(stage):
    for _ in stage.times(3):
        stage.web("/small.txt", "/slow")
        time.sleep(0.4)


@condition("slow-network", ["slow-network"], "150 ms each way and 5 % of the packets lost between client and router; the server answers at once",
           sessions={"smtp": 2, "http": 2})
def slow_network(stage):
    with SlowWire(stage.net, delay=stage.about(0.15), loss=0.05, seed=5):
        with _capture(stage, "client"):
            for _ in stage.times(2):
                mail(stage.talk(), body=message("far", 9000))
                stage.web("/small.txt", "/large.txt")


@condition("slow-client", ["slow-client"], "the client waits 2 s before each command; server and network are quick", side="server", sessions={"smtp": 2})
def slow_client(stage):
    threads = [threading.Thread(target=lambda: mail(stage.talk(), pause=2)) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()


@condition("zero-window", ["slow-client"], "the reader of a 60 kB page stops reading for 5 s: its window goes to nothing and the server probes it", side="server",
           sessions={"http": 1})
def zero_window(stage):
    talk = stage.talk(WEB, 80, receive_buffer=4096)
    talk.send(b"GET /large.txt HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
    time.sleep(5)
    talk.rest()
    talk.close()


# On the way.

@condition("blackhole-mtu", ["mtu-black-hole"], "the router's next link takes 1000 bytes, and its ICMP fragmentation needed is dropped: the small mail passes, "
           "the large one stops at its first full segments", sessions={"smtp": 2})
def blackhole_mtu(stage):
    stage.router.run("ip", "link", "set", "to-server", "mtu", 1000)
    stage.router.filter("output", "icmp type destination-unreachable drop")
    mail(stage.talk())
    with contextlib.suppress(*GONE):
        mail(stage.talk(timeout=9), body=message("large", stage.about(12000)))


@condition("reset-middlebox", ["reset-in-middle"], "the router answers the line DATA with a reset in the server's name (another TTL than the server's), and "
           "what the server then sends with a reset in the client's", sessions={"smtp": 2})
def reset_middlebox(stage):
    # A reset is made for the packet that is refused, so each side gets its own when it next speaks.
    stage.router.filter("forward", "meta l4proto tcp ct mark 7 reject with tcp reset",
                        "tcp dport 25 @ih,0,32 0x44415441 ct mark set 7 reject with tcp reset")
    for _ in stage.times(2):
        with contextlib.suppress(*GONE):
            mail(stage.talk())
    time.sleep(7)


@condition("reset-forged", ["reset-in-middle", "slow-network"], "a box at the router answers the server's 354 by a reset in the client's name, with the client's TTL, while the client is 300 ms away",
           side="server", sessions={"smtp": 2})
def reset_forged(stage):
    with SlowWire(stage.net, delay=stage.about(0.15), loss=0), Forger(stage.net, b"354"):
        for _ in stage.times(2):
            with contextlib.suppress(*GONE):
                mail(stage.talk(timeout=4))
            time.sleep(0.5)


# Clients that do not let go.

@condition("polling", ["polling-too-often"], "a POP3 client asks each 2 s and finds nothing new", side="server", sessions={"pop3": 12})
def polling(stage):
    stage.services.fill("user2", [])
    pause = stage.about(2.0)
    for _ in stage.times(12):
        stage.pop("user2", "secret2", "STAT")
        time.sleep(pause)


@condition("guessing", ["login-refused"], "one client tries several users with many passwords, POP3 and IMAP", side="server", sessions={"pop3": 12, "imap": 4})
def guessing(stage):
    def guess(user):
        for password in ("123456", "password", "letmein"):
            stage.pop(user, password)
        stage.imap(user, "qwerty")
    threads = [threading.Thread(target=guess, args=(user,)) for user in ("admin", "root", "user1", "info")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@condition("stale-password", ["login-refused", "client-retry-loop"], "one client, one user, the same wrong password each 4 s", side="server", sessions={"pop3": 8})
def stale_password(stage):
    pause = stage.about(4.0)
    for _ in stage.times(8):
        began = time.monotonic()
        stage.pop("user3", "old-secret")
        time.sleep(max(0, pause - (time.monotonic() - began)))


@condition("refetch", ["mailbox-refetched"], "a POP3 client fetches every message of the mailbox each time and deletes none", side="server", sessions={"pop3": 5})
def refetch(stage):
    stage.services.fill("user4", [500, 700, 900, 1200, 1500])
    for _ in stage.times(5):
        stage.pop("user4", "secret4", "STAT", "UIDL", *("RETR %d" % n for n in range(1, 6)))
        time.sleep(3)


@condition("refetch-imap", ["mailbox-refetched"], "an IMAP client fetches all messages whole in every session; one new one comes in between", side="server", sessions={"imap": 5})
def refetch_imap(stage):
    sizes = [700, 900, 1200, 1500]
    for turn in stage.times(5):
        if turn == 3:
            sizes.append(2000)
        if turn in (0, 3):
            stage.services.fill("user6", sizes)
        stage.imap("user6", "secret6", "SELECT INBOX", "FETCH 1:* (UID BODY.PEEK[])")
        time.sleep(2)


@condition("imap-poll", ["polling-too-often"], "an IMAP client asks NOOP or SELECT each second where IDLE is offered", side="server", sessions={"imap": 1})
def imap_poll(stage):
    stage.imap("user5", "secret5", "SELECT INBOX", *(["NOOP", "NOOP", "SELECT INBOX"] * 7), pause=1)


@condition("retry-loop", ["client-retry-loop", "command-rejected"], "one client offers the same mail to the same unknown recipient each 2 s", side="server",
           sessions={"smtp": 8})
def retry_loop(stage):
    pause = stage.about(2.0)
    for _ in stage.times(8):
        mail(stage.talk(), recipients=("nobody@example.com",))
        time.sleep(pause)


# Broken off.

@condition("drop-in-data", ["dropped-in-transfer"], "the client ends in mid-message: once with FIN, once with RST; the server ends a third in mid-RETR",
           side="server", sessions={"smtp": 2, "pop3": 1})
def drop_in_data(stage):
    for end in (Talk.close, Talk.abort):
        talk = stage.talk()
        talk.reply()
        for line in ("EHLO client.example.net", "MAIL FROM:<a@example.net>", "RCPT TO:<user1@example.com>", "DATA"):
            talk.ask(line)
        talk.send(message("cut off", stage.about(5000)))
        time.sleep(0.3)
        end(talk)

    def dies(connection):
        replies = (b"+OK ready\r\n", b"+OK\r\n", b"+OK logged in\r\n", b"+OK 9000 octets\r\n" + message("cut off", 4000))
        for reply in replies:
            connection.sendall(reply)
            connection.recv(4096) if reply is not replies[-1] else time.sleep(0.5)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with Server(stage.server, STRICT, 110, dies), contextlib.suppress(*GONE):
        talk = stage.talk(STRICT, 110)
        talk.line()
        for line in ("USER user1", "PASS secret1"):
            talk.pop(line)
        talk.pop("RETR 1", block=True)


def _start_tls(stage, **options):
    """A session of SMTP behind STARTTLS, greeted."""
    talk = stage.talk(**options)
    talk.reply()
    talk.ask("EHLO client.example.net")
    talk.ask("STARTTLS")
    talk.tls(trusting())
    talk.ask("EHLO client.example.net")
    return talk


@condition("drop-in-tls", ["dropped-in-transfer"], "the client goes away in mid-message behind STARTTLS: only Postfix's log knows that it was in a message", side="server",
           sessions={"smtp": 4})
def drop_in_tls(stage):
    for turn in stage.times(4):
        talk = _start_tls(stage)
        if turn % 2:
            mail(talk, greet=False)
        else:
            for line in ("MAIL FROM:<a@example.net>", "RCPT TO:<user1@example.com>", "DATA"):
                talk.ask(line)
            talk.send(message("cut off", stage.about(5000)))
            time.sleep(0.3)
            talk.close()
        time.sleep(0.7)


@condition("delivered-unknown-tls", ["delivered-unknown"], "behind STARTTLS the reply to the message never arrives: what the server says after the message is dropped", side="server",
           sessions={"smtp": 3})
def delivered_unknown_tls(stage):
    mail(_start_tls(stage), greet=False)
    time.sleep(1)
    # A large segment of the client is the message; from then on what the server says is dropped, its bare acknowledgements apart.
    stage.router.filter("forward", "tcp sport 25 ct mark 7 meta length > 60 drop", "tcp dport 25 meta length > 1000 ct mark set 7")
    with contextlib.suppress(*GONE):
        mail(_start_tls(stage, timeout=4), greet=False, body=message("unheard", stage.about(6000)))
    stage.router.clear()
    stage.router.filter("forward", "meta l4proto tcp ct mark 7 drop")
    time.sleep(1)
    mail(_start_tls(stage), greet=False, body=message("unheard", 6000))


@condition("delivered-unknown", ["delivered-unknown"], "the server's 250 to the message never arrives (the router drops it and all that follows): the server has the "
           "mail, the client does not know, and sends it again", side="server", sessions={"smtp": 2})
def delivered_unknown(stage):
    # The first eight bytes of "250 2.0.0 Ok: queued as".
    stage.router.filter("forward", "meta l4proto tcp ct mark 7 drop", "tcp sport 25 @ih,0,64 0x32353020322e302e ct mark set 7 drop")
    with contextlib.suppress(*GONE):
        mail(stage.talk(timeout=4))
    stage.router.clear()
    stage.router.filter("forward", "meta l4proto tcp ct mark 7 drop")
    time.sleep(1)
    mail(stage.talk())


@condition("idle-timeout", ["timeout-idle"], "the client goes silent after EHLO: Postfix says 421 after 6 s; nginx closes a kept connection after 4 s", side="server",
           sessions={"smtp": 1, "http": 1})
def idle_timeout(stage):
    talk = stage.talk()
    talk.reply()
    talk.ask("EHLO client.example.net")
    web = stage.talk(WEB, 80)
    web.send(b"GET /small.txt HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    web.rest()
    talk.rest()
    web.close()
    talk.close()


# Clients that break the rules.

@condition("talk-before-banner", ["talk-before-greeting", "command-rejected"], "the client speaks before the greeting; Postfix holds the greeting back 1 s and refuses it", side="server",
           sessions={"smtp": 2})
def talk_before_banner(stage):
    for _ in stage.times(2):
        talk = stage.talk(STRICT)
        talk.say("EHLO client.example.net")
        talk.say("MAIL FROM:<a@example.net>")
        with contextlib.suppress(*GONE):
            for _ in range(3):
                talk.reply()
            talk.ask("QUIT")
        talk.close()


@condition("bare-lf", ["bare-lf", "command-rejected"], "a client ends its lines by LF alone; Postfix refuses each of them before any mail", side="server",
           sessions={"smtp": 2})
def bare_lf(stage):
    for _ in stage.times(2):
        talk = stage.talk(STRICT)
        talk.reply()
        for line in (b"EHLO client.example.net\n", b"MAIL FROM:<a@example.net>\n", b"RCPT TO:<user1@example.com>\n", b"DATA\n",
                     message("bare").replace(b"\r\n", b"\n") + b"\r\n.\r\n", b"QUIT\n"):
            with contextlib.suppress(*GONE):
                talk.send(line)
                talk.reply()
        talk.close()


@condition("bad-order", ["command-rejected"], "commands out of order and unknown, until Postfix has had too many errors; POP3 and IMAP before login", side="server",
           sessions={"smtp": 1, "pop3": 1, "imap": 1})
def bad_order(stage):
    talk = stage.talk()
    talk.reply()
    with contextlib.suppress(*GONE):
        for line in ("RCPT TO:<user1@example.com>", "DATA", "EHLO client.example.net", "XYZZY", "MAIL FROM:<a@example.net>", "MAIL FROM:<b@example.net>",
                     "DATA", "MAIL TO:<user1@example.com>", "TURN", "SEND", "VRFY", "AUTH PLAIN", "XYZZY", "XYZZY"):
            talk.ask(line)
    talk.close()
    talk = stage.talk(port=110)
    talk.line()
    with contextlib.suppress(*GONE):
        for line in ("STAT", "RETR 1", "QUIT"):
            talk.pop(line)
    talk.close()
    talk = stage.talk(port=143)
    talk.line()
    with contextlib.suppress(*GONE):
        for number, line in enumerate(("SELECT INBOX", "FETCH 1 BODY[]", "FROBNICATE", "LOGOUT")):
            talk.imap("b%d" % number, line)
    talk.close()


@condition("oversize", ["message-too-large"], "a message too large: refused at MAIL where its SIZE says so, else after the body (552)", side="server", sessions={"smtp": 2})
def oversize(stage):
    talk = stage.talk()
    talk.reply()
    for line in ("EHLO client.example.net", "MAIL FROM:<a@example.net> SIZE=5000000", "QUIT"):
        talk.ask(line)
    talk.close()
    mail(stage.talk(), body=message("too large", 66000))


# TLS that fails.

def _handshake(stage, port, context, address=WEB, name="www.example.com"):
    talk = stage.talk(address, port)
    try:
        talk.tls(context, name)
    except GONE:
        talk.close()
        return
    raise AssertionError("the handshake passed")


@condition("tls-old", ["tls-failed"], "the client offers TLS 1.0 only: protocol_version alert, on 443 of nginx and after STARTTLS of Postfix", side="server",
           sessions={"smtp": 1, "tls": 2})
def tls_old(stage):
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    for _ in stage.times(2):
        _handshake(stage, 443, context)
    talk = stage.talk()
    talk.reply()
    talk.ask("EHLO client.example.net")
    talk.ask("STARTTLS")
    with contextlib.suppress(*GONE):
        talk.tls(context)
    talk.close()


@condition("tls-no-cipher", ["tls-failed"], "the client offers TLS 1.2 with one cipher that nginx does not take: handshake_failure alert", side="server",
           sessions={"tls": 2})
def tls_no_cipher(stage):
    context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA")
    for _ in stage.times(2):
        _handshake(stage, 443, context)


@condition("tls-expired", ["tls-failed"], "the certificate on 8443 ended on 2025-01-01: the client says certificate_expired, in the clear in TLS 1.2 and hidden in 1.3",
           side="server", sessions={"tls": 2})
def tls_expired(stage):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=stage.services.path("expired.pem"))
        context.check_hostname = False
        context.maximum_version = version
        _handshake(stage, 8443, context)


@condition("plain-on-tls-port", ["tls-failed"], "a client speaks HTTP and SMTP in the clear on ports where TLS is spoken at once", side="server")
def plain_on_tls_port(stage):
    talk = stage.talk(WEB, 443)
    talk.send(b"GET /small.txt HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
    talk.rest()
    talk.close()
    talk = stage.talk(MAIL, 465)
    talk.say("EHLO client.example.net")
    with contextlib.suppress(*GONE):
        talk.rest()
    talk.close()


# Sessions that wait.

@condition("slow-greeting", ["slow-greeting"], "before its greeting the server asks port 113 of the client (ident), which the router drops, and waits 3 s for it", side="server",
           sessions={"smtp": 3})
def slow_greeting(stage):
    def greet(connection):
        with stage.server.socket() as ident:
            ident.bind((STRICT, 0))
            ident.settimeout(stage.about(3.0))
            with contextlib.suppress(OSError):
                ident.connect((connection.getpeername()[0], 113))
        connection.sendall(b"220 mail.example.com ESMTP\r\n")
        while line := connection.recv(4096):
            connection.sendall(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 ok\r\n")
    stage.router.filter("forward", "tcp dport 113 drop")
    with Server(stage.server, STRICT, 2526, greet):
        for _ in stage.times(3):
            talk = stage.talk(STRICT, 2526)
            talk.reply()
            for line in ("HELO client.example.net", "NOOP", "QUIT"):
                talk.ask(line)
            talk.close()


@condition("slow-login", ["slow-login", "login-refused"], "after two wrong passwords from its address Dovecot lets the next right one wait", side="server", sessions={"pop3": 9})
def slow_login(stage):
    # The same wrong password again costs nothing.
    for turn in range(3):
        for word in ("wrong", "stale"):
            stage.pop("user1", "%s%d" % (word, turn))
        stage.pop("user2", "secret2", "STAT")


@condition("delayed-ack", ["delayed-ack"], "the client writes each line in two parts, and its kernel keeps the second back until the first is acknowledged (Nagle)",
           side="server", sessions={"smtp": 1})
def delayed_ack(stage):
    talk = stage.talk()
    talk.reply()
    talk.ask("EHLO client.example.net")
    for _ in stage.times(20):
        talk.send(b"NO")
        talk.send(b"OP\r\n")
        talk.reply()
    talk.ask("QUIT")
    talk.close()


@condition("storm", ["retransmission-storm"], "for 7 s the router drops what the POP3 server sends: it sends its reply again and again, then it gets through", side="server",
           sessions={"pop3": 1})
def storm(stage):
    talk = stage.talk(port=110)
    talk.line()
    talk.pop("USER user1")
    talk.pop("PASS secret1")
    stage.router.filter("forward", "ip saddr %s drop" % MAIL)
    talk.say("STAT")
    time.sleep(7)
    stage.router.clear()
    talk.line()
    talk.pop("QUIT")
    talk.close()


@condition("server-stops-reading", ["slow-server"], "the server reads nothing of a long request for 4 s: its window goes to nothing", side="server", sessions={"http": 1})
def server_stops_reading(stage):
    def late(connection):
        connection.recv(1000)
        time.sleep(stage.about(4.0))
        while b"end" not in connection.recv(1 << 20)[-4:]:
            pass
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    with Server(stage.server, STRICT, 8081, late, receive_buffer=4096):
        talk = stage.talk(STRICT, 8081)
        body = b"0123456789abcde\n" * 3750 + b"end\n"
        talk.send(b"POST /put HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: %d\r\n\r\n" % len(body))
        talk.send(body)
        talk.line()
        talk.close()


@condition("mtu-unheeded", ["mtu-black-hole"], "the router says that packets are too big for its next link, and the client's own filter drops all ICMP", sessions={"smtp": 1})
def mtu_unheeded(stage):
    stage.router.run("ip", "link", "set", "to-server", "mtu", 1100)
    stage.client.filter("input", "ip protocol icmp drop")
    with contextlib.suppress(*GONE):
        mail(stage.talk(timeout=9), body=message("large", stage.about(9000)))


@condition("held", ["sessions-held"], "one client logs in five times by IMAP, opens its folder in each and says nothing for 33 s", side="server", sessions={"imap": 5})
def held(stage):
    talks = [stage.talk(port=143, source=CLIENT) for _ in stage.times(5)]
    for talk in talks:
        talk.line()
        talk.imap("a0", "LOGIN user5 secret5")
        talk.imap("a1", "SELECT INBOX")
    time.sleep(33)
    for talk in talks:
        talk.imap("a2", "LOGOUT")
        talk.close()


@condition("held-tls", ["sessions-held"], "one client logs in five times by POP3 over TLS and says nothing for 33 s", side="server", sessions={"pop3": 5})
def held_tls(stage):
    talks = []
    for _ in stage.times(5):
        talk = stage.talk(port=995, source=CLIENT).tls(trusting())
        talks.append(talk)
        talk.line()
        for line in ("USER user5", "PASS secret5", "STAT"):
            talk.pop(line)
    time.sleep(33)
    for talk in talks:
        talk.pop("QUIT")
        talk.close()


@condition("server-resets", ["connection-reset", "one-witness"], "the server tears two connections down instead of answering RETR", side="server", sessions={"pop3": 2})
def server_resets(stage):
    def dies(connection):
        for reply in (b"+OK ready\r\n", b"+OK\r\n", b"+OK logged in\r\n"):
            connection.sendall(reply)
            connection.recv(4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with Server(stage.server, STRICT, 110, dies):
        for _ in stage.times(2):
            with contextlib.suppress(*GONE):
                talk = stage.talk(STRICT, 110)
                talk.line()
                for line in ("USER user1", "PASS secret1", "RETR 1"):
                    talk.pop(line)


# Names that lead nowhere.

@condition("dns-search-list", ["dns-search-list"], "each name is asked for with two search domains hung on before it is asked for as it is", sessions={"dns": 12})
def dns_search_list(stage):
    names = ("mail.example.com", "www.example.com")
    with Names(stage.server, NAMES, lambda kind, name: MAIL if name in names else 3):
        for _ in stage.times(2):
            for name in names:
                for domain in (".corp.example.net", ".example.net", ""):
                    stage.resolve(name + domain, number=len(name + domain))


@condition("mx-no-address", ["mx-without-address"], "the MX of example.org is a host that does not exist; the client asks for A and AAAA of it and gives up")
def mx_no_address(stage):
    with Names(stage.server, NAMES, lambda kind, name: "mx1.example.org" if kind == MX else 3):
        stage.resolve("example.org", kind=MX)
        for kind in (1, 28):
            stage.resolve("mx1.example.org", kind=kind, number=kind)


# What one view lacks.

@condition("not-captured", ["not-captured"], "the capture is filtered to one client, the log has both", side="server", only="host %s" % CLIENT, sessions={"smtp": 10})
def not_captured(stage):
    for _ in stage.times(10):
        mail(stage.talk(source=CLIENT))
        mail(stage.talk(source=OTHER_CLIENT))
        time.sleep(0.4)


@condition("log-rotated", ["log-incomplete"], "nginx's log is rotated in mid-capture, and only the new file is there", side="server", sessions={"http": 36})
def log_rotated(stage):
    pause = random.Random(36)
    for turn in range(36):
        stage.web("/small.txt?%d" % turn)
        time.sleep(pause.uniform(0.1, 0.9))
        if turn == 11:
            time.sleep(1.5)
            stage.services.rotate()


@condition("log-disk-full", ["log-incomplete"], "the file system of nginx's log is full after some forty lines", side="server", sessions={"http": 64})
def log_disk_full(stage):
    pause = random.Random(90)
    stage.services.empty_small()
    for turn in range(64):
        stage.web("/small.txt?%d" % turn, address=STRICT)
        time.sleep(pause.uniform(0.1, 0.9))


@condition("recipients-added", ["views-differ"], "Postfix turns one recipient into three by an alias: its log has three, the wire one", side="server", sessions={"smtp": 4})
def recipients_added(stage):
    for turn in stage.times(4):
        mail(stage.talk(), recipients=("team@example.com",) if turn % 2 else ("user1@example.com",))
        time.sleep(0.7)


@condition("status-changed", ["views-differ"], "the router turns the status 404 of nginx into 200 on its way to the client", sessions={"http": 16})
def status_changed(stage):
    # The first three digits of "HTTP/1.1 404", 9 octets behind the head of TCP.
    stage.router.filter("forward", "tcp sport 80 @ih,72,24 0x343034 @ih,72,24 set 0x323030")
    pause = random.Random(16)
    for turn in stage.times(16):
        stage.web("/%s.txt?%d" % ("missing" if turn % 4 == 3 else "small", turn))
        time.sleep(pause.uniform(0.1, 0.9))


@condition("size-claimed", ["views-differ", "dropped-in-transfer"], "the client aborts a page after its first octets, and nginx logs it as sent whole", side="server", sessions={"http": 6})
def size_claimed(stage):
    for turn in stage.times(6):
        if turn % 3:
            stage.web("/small.txt")
        else:
            talk = stage.talk(WEB, 80, receive_buffer=2048)
            talk.send(b"GET /large.txt HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
            time.sleep(0.3)
            talk.abort()
        time.sleep(0.3)


@condition("snap-length", ["capture-incomplete"], "the capture keeps 120 octets of each packet", side="server", snap=120, sessions={"smtp": 2})
def snap_length(stage):
    for _ in stage.times(2):
        mail(stage.talk(), body=message("cut", stage.about(3000)))


# Old and odd clients.

@condition("helo-odd", ["helo-no-name"], "clients greet by a name without a domain and by a bare address", side="server", sessions={"smtp": 2})
def helo_odd(stage):
    for name in ("pc7", "192.0.2.10"):
        mail(stage.talk(), helo=name)


@condition("tls-outdated", ["tls-outdated"], "client and server speak TLS 1.0 and 1.1", side="server", sessions={"tls": 2})
def tls_outdated(stage):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = trusting()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        talk = stage.talk(WEB, 8444).tls(context, "www.example.com")
        talk.send(b"GET /small.txt HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(*GONE):
            talk.rest()
        talk.close()


def _capture(stage, side, only="", interface="eth0", snap=0):
    return capture(getattr(stage.net, side), os.path.join(stage.folder, "wire.pcapng"), interface, only, snap)


# The client's link is replaced while this one is made, so it captures by itself.
CAPTURES_ITSELF = {"slow-network", "think-time"}


def make(stage, name, out):
    spec = CONDITIONS[name]
    stage.folder = os.path.join(out, name)
    os.makedirs(stage.folder, exist_ok=True)
    for old in os.listdir(stage.folder):
        os.remove(os.path.join(stage.folder, old))
    stage.net.reset()
    stage.services.mark()
    stage.begin()
    with contextlib.nullcontext() if name in CAPTURES_ITSELF else _capture(stage, spec["side"], spec["only"], spec["interface"], spec["snap"]):
        spec["make"](stage)
        time.sleep(0.5)
    stage.net.reset()
    time.sleep(0.5)
    stage.services.keep(stage.folder)
    with open(os.path.join(stage.folder, "expect.json"), "w") as file:
        json.dump(dict(fires=spec["fires"], why=spec["why"], side=spec["side"], sessions=spec["sessions"], **stage.also), file, indent=1)
        file.write("\n")


def main():
    words = sys.argv[1:]
    seed = int(words.pop(0).partition("=")[2]) if words and words[0].startswith("--seed=") else None
    *names, out = words or sys.exit("conditions.sh [--seed=N] [NAME…] OUT")
    for name in set(names) - set(CONDITIONS):
        sys.exit("no condition %s; there are: %s" % (name, " ".join(CONDITIONS)))
    net = Net()
    services = Services(net)
    failed = []
    try:
        services.start()
        stage = Stage(net, services, seed)
        for name in names or CONDITIONS:
            began = time.monotonic()
            try:
                make(stage, name, out)
                wire = os.path.getsize(os.path.join(out, name, "wire.pcapng"))
                print("%-26s %6.1f s %7d bytes  %s" % (name, time.monotonic() - began, wire, " ".join(sorted(os.listdir(stage.folder)))), flush=True)
            except Exception as error:
                failed.append(name)
                print("%-26s FAILED %s: %s" % (name, type(error).__name__, error), flush=True)
    finally:
        services.stop()
        net.delete()
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
