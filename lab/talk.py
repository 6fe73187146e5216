"""Clients that speak line protocols word by word, and small servers that misbehave in one stated way."""
import socket
import ssl
import struct
import threading
import time

_ABORT = struct.pack("ii", 1, 0)


class Talk:
    """A connection on which one says a line and hears the answer."""

    def __init__(self, namespace, address, port, timeout=30, source=None, receive_buffer=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = namespace.socket(family=family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout)
        self.held = b""
        try:
            self.socket.connect((address, port))
        except OSError:
            self.socket.close()
            raise

    def send(self, data):
        self.socket.sendall(data)

    def say(self, line):
        self.send(line.encode("latin1") + b"\r\n")

    def line(self):
        while b"\n" not in self.held:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.held += more
        line, self.held = self.held.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin1")

    def reply(self):
        """An SMTP or NNTP reply: its last line."""
        while (line := self.line())[3:4] == "-":
            pass
        return line

    def block(self):
        """A POP3 or NNTP multi-line answer up to the dot (only its first line where it is a refusal)."""
        first = self.line()
        if first[:1] in "+2":
            while self.line() != ".":
                pass
        return first

    def tagged(self, tag):
        """An IMAP answer up to the line with the tag."""
        while not (line := self.line()).startswith((tag + " ", "* BYE")):
            pass
        return line

    def ask(self, line, pause=0):
        if pause:
            time.sleep(pause)
        self.say(line)
        return self.reply()

    def pop(self, line, block=False):
        self.say(line)
        return self.block() if block else self.line()

    def imap(self, tag, line):
        self.say(tag + " " + line)
        return self.tagged(tag)

    def rest(self):
        """All that comes until the other side closes."""
        data = self.held
        while more := self.socket.recv(65536):
            data += more
        return data

    def tls(self, context, name="mail.example.com"):
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        return self

    def close(self):
        self.socket.close()

    def abort(self):
        """Closes with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.socket.close()


def trusting(**settings):
    """A TLS client that takes any certificate and, if so set, speaks old versions or few ciphers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def message(subject, size=400, number=1):
    """A mail of about `size` bytes, ready to follow DATA but for the final dot."""
    head = "From: a@example.net\r\nTo: user1@example.com\r\nSubject: %s\r\nMessage-ID: <%s.%d@example.net>\r\n\r\n" % (
        subject, subject.replace(" ", "-"), number)
    line = "The quick brown fox jumps over the lazy dog, and then once more.\r\n"
    return (head + line * max(1, (size - len(head)) // len(line))).encode()


def mail(talk, recipients=("user1@example.com",), body=None, pause=0, helo="client.example.net", greet=True):
    """One mail, as a plain client sends it."""
    if greet:
        talk.reply()
        talk.ask("EHLO " + helo, pause)
    talk.ask("MAIL FROM:<a@example.net>", pause)
    accepted = [talk.ask("RCPT TO:<%s>" % r, pause)[:1] == "2" for r in recipients]
    if any(accepted):
        talk.ask("DATA", pause)
        if pause:
            time.sleep(pause)
        talk.send((body or message("hello")) + b".\r\n")
        talk.reply()
    talk.ask("QUIT", pause)
    talk.close()


class Server:
    """Gives each connection on a port to `serve`, in a thread of its own, until closed."""

    def __init__(self, namespace, address, port, serve, backlog=16, receive_buffer=None):
        self.listener = namespace.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind((address, port))
        self.listener.listen(backlog)
        self.serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


MX = 15


def _written(name):
    """A name as DNS carries it."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _spoken(labels):
    """The name that DNS carries, without pointers."""
    names, at = [], 0
    while labels[at]:
        names.append(labels[at + 1:at + 1 + labels[at]].decode())
        at += 1 + labels[at]
    return ".".join(names)


class Names:
    """A name server of few words: `answer(kind, name)` gives an address, a host name for MX, None for silence, or a response code."""

    def __init__(self, namespace, address, answer):
        self.socket = namespace.socket(socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.socket.settimeout(0.2)
        self.answer, self.done = answer, threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.done.is_set():
            try:
                query, peer = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            end = query.index(b"\0", 12) + 5
            kind = struct.unpack("!H", query[end - 4:end - 2])[0]
            answer = self.answer(kind, _spoken(query[12:end - 4]))
            if answer is None:
                continue
            code, found = (answer, None) if isinstance(answer, int) else (0, answer)
            head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, 1 if found else 0, 0, 0)
            record = b""
            if found:
                data = struct.pack("!H", 10) + _written(found) if kind == MX else socket.inet_aton(found)
                record = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data
            self.socket.sendto(head + query[12:end] + record, peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.socket.close()


def resolve(namespace, server, name, kind=1, tries=3, wait=1.5, number=0x2b01, source=None):
    """Asks for a name as a stub resolver does. Gives the address, or the response code, or None."""
    question = _written(name) + struct.pack("!HH", kind, 1)
    query = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question
    with namespace.socket(socket.SOCK_DGRAM) as asker:
        if source:
            asker.bind((source, 0))
        asker.settimeout(wait)
        for _ in range(tries):
            asker.sendto(query, (server, 53))
            try:
                answer = asker.recv(4096)
            except TimeoutError:
                continue
            code, count = answer[3] & 15, struct.unpack("!H", answer[6:8])[0]
            return socket.inet_ntoa(answer[-4:]) if count else code
    return None
