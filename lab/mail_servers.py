"""Mail and news servers that conflict as packages, each in a root of its own, talked to and captured. See mail-servers.sh."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import net
from net import CLIENT, MAIL, OTHER_CLIENT, capture, run, stop
from talk import Talk, message, trusting


class Root:
    """A root folder: files in it, what its programs tell syslog, and one script that runs in it."""

    def __init__(self, roots, name):
        self.folder = os.path.join(roots, name)

    def path(self, name):
        return self.folder + name

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def listen(self):
        """Takes what programs send to /dev/log, as files of syslog have it: with the host behind the stamp."""
        path = self.path("/dev/log")
        if os.path.lexists(path):
            os.remove(path)
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind(path)
        os.chmod(path, 0o666)
        self.lines = []
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while True:
            try:
                text = self.log.recv(65536)
            except OSError:
                return
            text = text.rstrip(b"\0\n")
            behind = text.split(b">", 1)[1] if text.startswith(b"<") else text
            self.lines.append(behind[:16] + b"mail " + behind[16:])

    def start(self, server, script):
        self.write("/lab.sh", "cd /\n" + script)
        inside = "hostname mail.example.com; mount -t proc proc %s; exec chroot %s sh /lab.sh" % (self.path("/proc"), self.folder)
        self.process = server.start("unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c", inside)

    def stop(self):
        """Ends the first process of the namespace, and with it all: one that changes its user does not hear of its parent's end."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as file:
            for child in file.read().split():
                os.kill(int(child), signal.SIGKILL)
        stop(self.process)
        self.log.close()


def ready(client, port):
    """Waits until the server answers; whoever asks is none of the clients, and not captured."""
    for _ in range(150):
        try:
            Talk(client, MAIL, port, source=net.CLIENT).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("nothing listens on port %d" % port)


class Next:
    """The next host: takes all mail that it is given but for `nobody`."""

    def __init__(self, client):
        self.listener = client.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((OTHER_CLIENT, 25))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        lines = connection.makefile("rb")
        say = lambda text: connection.sendall(text.encode() + b"\r\n")
        say("220 mx.other.example ESMTP")
        for line in lines:
            word = line[:4].upper()
            if word == b"EHLO":
                say("250-mx.other.example\r\n250 SIZE 1000000")
            elif word == b"RCPT" and b"nobody" in line:
                say("550 5.1.1 no such user")
            elif word == b"DATA":
                say("354 go on")
                while lines.readline() not in (b".\r\n", b""):
                    pass
                say("250 2.0.0 Ok: queued as 12345")
            elif word == b"QUIT":
                say("221 bye")
                break
            else:
                say("250 Ok")
        connection.close()

    def close(self):
        self.listener.close()


def mails(client, port=25, tls=True):
    """Sessions of two clients that overlap: clear and encrypted, refused, broken off, and one that leads on to the next host."""
    one = Talk(client, MAIL, port, source=CLIENT)
    two = Talk(client, MAIL, port, source=OTHER_CLIENT)
    one.reply()
    two.reply()
    one.ask("EHLO client.example.net")
    two.ask("EHLO gw.sender.example")
    if tls and one.ask("STARTTLS")[:1] == "2":
        one.tls(trusting())
        one.ask("EHLO client.example.net")
    one.ask("MAIL FROM:<ann@example.net>")
    two.ask("MAIL FROM:<dan@sender.example>")
    two.ask("RCPT TO:<x@relay.example>")
    two.ask("VRFY bob")
    one.ask("RCPT TO:<bob@example.com>")
    one.ask("RCPT TO:<carol@example.com>")
    two.ask("BOGUS x")
    one.ask("DATA")
    one.send(message("first", 700) + b".\r\n")
    one.reply()
    two.ask("RSET")
    one.ask("MAIL FROM:<ann@example.net>")
    one.ask("RCPT TO:<bob@example.com>")
    one.ask("DATA")
    one.send(message("second", 1500, 2) + b".\r\n")
    one.reply()
    one.ask("QUIT")
    two.ask("QUIT")
    three = Talk(client, MAIL, port, source=CLIENT)
    four = Talk(client, MAIL, port, source=CLIENT)
    three.reply()
    four.reply()
    three.ask("HELO pc31.example.net")
    four.ask("EHLO pc32.example.net")
    three.ask("MAIL FROM:<carol@example.com>")
    three.ask("RCPT TO:<eve@other.example>")
    three.ask("DATA")
    three.send(message("third", 500, 3) + b".\r\n")
    three.reply()
    four.ask("MAIL FROM:<carol@example.com>")
    four.close()
    time.sleep(1.3)
    three.ask("NOOP")
    three.ask("QUIT")
    for talk in (one, two, three):
        talk.close()
    time.sleep(3)


def mailboxes(client, user, password, starttls=True):
    """IMAP and POP3 sessions that overlap, two of one client among them."""
    one = Talk(client, MAIL, 143, source=CLIENT)
    two = Talk(client, MAIL, 143, source=CLIENT)
    pop = Talk(client, MAIL, 110, source=OTHER_CLIENT)
    one.line()
    two.line()
    pop.line()
    if starttls:
        one.imap("a", "STARTTLS")
        one.tls(trusting())
    one.imap("b", "LOGIN %s %s" % (user, password))
    pop.pop("USER " + user)
    two.imap("c", "LOGIN %s wrong" % user)
    pop.pop("PASS " + password)
    body = message("hello", 600).decode()
    one.say("d APPEND INBOX {%d}" % len(body))
    one.line()
    one.say(body)
    one.tagged("d")
    time.sleep(1.2)
    one.imap("e", "SELECT INBOX")
    two.imap("f", "LOGOUT")
    one.imap("g", "FETCH 1 (FLAGS BODY.PEEK[])")
    pop.pop("STAT")
    pop.pop("QUIT")
    again = Talk(client, MAIL, 110, source=OTHER_CLIENT)
    again.line()
    again.pop("USER " + user)
    again.pop("PASS " + password)
    again.pop("LIST", block=True)
    again.pop("RETR 1", block=True)
    one.imap("h", "LOGOUT")
    again.close()
    for talk in (one, two, pop):
        talk.close()
    time.sleep(2)


EXIM = """
primary_hostname = mail.example.com
local_interfaces = 198.51.100.25
{selectors}
keep_environment =
log_file_path = /var/log/exim4/%slog
tls_advertise_hosts = *
tls_certificate = /etc/exim4/pem
host_lookup =
rfc1413_hosts =
acl_smtp_rcpt = rcpt
acl_smtp_vrfy = deny
acl_smtp_data = accept
begin acl
rcpt:
  accept domains = example.com
  accept domains = other.example
  deny message = relay not permitted
begin routers
here:
  driver = accept
  domains = example.com
  transport = away
out:
  driver = manualroute
  route_list = * 192.0.2.11
  transport = remote
begin transports
away:
  driver = appendfile
  file = /dev/null
  user = nobody
remote:
  driver = smtp
"""


def exim(root, network, keep, selectors):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 3650, "-keyout", root.path("/etc/exim4/pem"),
        "-out", root.path("/etc/exim4/cert"), "-subj", "/CN=mail.example.com", stderr=subprocess.DEVNULL)
    with open(root.path("/etc/exim4/pem"), "a") as pem, open(root.path("/etc/exim4/cert")) as cert:
        pem.write(cert.read())
    os.chmod(root.path("/etc/exim4/pem"), 0o644)
    root.write("/etc/exim4/exim4.conf", EXIM.format(selectors=selectors))
    log = root.path("/var/log/exim4/mainlog")
    if os.path.exists(log):
        os.remove(log)
    root.start(network.server, "mkdir -p /run/exim4; exec exim4 -bdf\n")
    ready(network.client, 25)
    with keep("tcp"):
        mails(network.client)
    shutil.copy(log, keep.folder + "/mainlog")


def courier(root, network, keep):
    root.start(network.server, """
        grep -q ^bob: /etc/passwd || { useradd -m -s /bin/sh bob; echo bob:lab-secret | chpasswd; }
        [ -d /home/bob/Maildir ] || su bob -c 'maildirmake /home/bob/Maildir'
        rm -f /run/courier/*.pid*; mkdir -p /run/courier/authdaemon
        /usr/sbin/authdaemond start
        /usr/sbin/imapd start
        /usr/sbin/pop3d start
        exec sleep 600
        """)
    ready(network.client, 143)
    ready(network.client, 110)
    root.lines.clear()
    with keep("tcp"):
        mailboxes(network.client, "bob", "lab-secret")


ESMTPD = """
ADDRESS=198.51.100.25
PORT=25
BOFHCHECKDNS=0
ESMTP_TLS_REQUIRED=0
TCPDOPTS="-stderrlogger=/usr/sbin/courierlogger -noidentlookup -nodnslookup"
ESMTP_LOG_DIALOG=%d
"""


def esmtpd(root, network, keep, dialog):
    """Courier's mail server: it takes mail for example.com, and gives what goes elsewhere to the next host."""
    path = root.path("/etc/courier/esmtpd")
    if not os.path.exists(path + ".orig"):
        shutil.copy(path, path + ".orig")
    with open(path + ".orig") as file:
        root.write("/etc/courier/esmtpd", file.read() + ESMTPD % dialog)
    root.write("/etc/courier/me", "mail.example.com\n")
    root.write("/etc/courier/locals", "example.com\n")
    root.write("/etc/courier/esmtproutes", ":192.0.2.11\n")
    root.write("/etc/courier/esmtpacceptmailfor.dir/lab", "example.com\nother.example\n")
    root.start(network.server, """
        for user in bob carol; do
            grep -q ^$user: /etc/passwd || { useradd -m -s /bin/sh $user; echo $user:lab-secret | chpasswd; }
            [ -d /home/$user/Maildir ] || su $user -c "maildirmake /home/$user/Maildir"
        done
        rm -f /run/courier/*.pid* /run/courier/*.lock; mkdir -p /run/courier/authdaemon; chown -R courier /run/courier
        makeacceptmailfor; makesmtpaccess; makealiases
        /usr/sbin/authdaemond start
        /usr/sbin/courierfilter start
        /usr/sbin/courier start
        /usr/sbin/esmtpd start
        exec sleep 600
        """)
    ready(network.client, 25)
    root.lines.clear()
    with keep("tcp"):
        mails(network.client)


SENDMAIL = """
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
define(`confLOG_LEVEL', `%d')dnl
define(`confDOMAIN_NAME', `mail.example.com')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confSERVER_CERT', `/etc/mail/lab.pem')dnl
define(`confSERVER_KEY', `/etc/mail/lab.key')dnl
define(`SMART_HOST', `esmtp:[192.0.2.11]')dnl
define(`LOCAL_MAILER_PATH', `/bin/true')dnl
define(`LOCAL_MAILER_ARGS', `true')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`relay_entire_domain')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Name=MTA-v4, Family=inet, Addr=198.51.100.25, Port=25')dnl
LOCAL_DOMAIN(`example.com')dnl
RELAY_DOMAIN(`other.example')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
"""


def sendmail(root, network, keep, level):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 3650, "-keyout", root.path("/etc/mail/lab.key"),
        "-out", root.path("/etc/mail/lab.pem"), "-subj", "/CN=mail.example.com", stderr=subprocess.DEVNULL)
    for name in ("key", "pem"):
        os.chmod(root.path("/etc/mail/lab." + name), 0o600)
    root.write("/etc/mail/lab.mc", SENDMAIL % level)
    root.start(network.server, """
        cd /etc/mail && m4 lab.mc > sendmail.cf
        grep -q ^bob: /etc/passwd || useradd -m bob; grep -q ^carol: /etc/passwd || useradd -m carol
        touch aliases local-host-names; rm -f /var/spool/mqueue/*; mkdir -p /run/sendmail/mta
        /usr/sbin/sendmail-mta -bi
        exec /usr/sbin/sendmail-mta -bD -q30m
        """)
    ready(network.client, 25)
    root.lines.clear()
    with keep("tcp"):
        mails(network.client)


def news(client):
    """Readers that overlap: one reads, one posts, one asks what there is not."""
    one = Talk(client, MAIL, 119, source=CLIENT)
    two = Talk(client, MAIL, 119, source=OTHER_CLIENT)
    one.reply()
    two.reply()
    one.ask("MODE READER")
    two.ask("MODE READER")
    two.ask("POST")
    two.send(b"From: ann@example.net\r\nNewsgroups: local.test\r\nSubject: hello\r\n\r\nSome words.\r\n.\r\n")
    two.reply()
    time.sleep(1.2)
    one.pop("LIST", block=True)
    one.ask("GROUP local.test")
    one.pop("ARTICLE 1", block=True)
    two.ask("GROUP no.such.group")
    one.ask("AUTHINFO USER bob")
    one.ask("AUTHINFO PASS secret")
    two.ask("BOGUS")
    two.ask("QUIT")
    three = Talk(client, MAIL, 119, source=CLIENT)
    three.reply()
    three.ask("DATE")
    three.close()
    one.ask("QUIT")
    one.close()
    two.close()
    time.sleep(2)


def inn(root, network, keep):
    path = root.path("/etc/news/inn.conf")
    with open(path) as file:
        kept = [line for line in file if not line.startswith(("domain:", "pathhost:", "bindaddress:", "nnrpdflags:", "fromhost:"))]
    root.write("/etc/news/inn.conf", "".join(kept) + 'domain: example.com\npathhost: news.example.com\nbindaddress: 198.51.100.25\nnnrpdflags: "-t"\n')
    root.write("/etc/news/readers.conf", """
auth "all" { hosts: "*" default: "<all>" }
access "all" { users: "<all>" newsgroups: "*" access: RPA }
""")
    root.start(network.server, """
        cd /var/lib/news
        if [ ! -s active ]; then
            printf 'control 0000000000 0000000001 n\\ncontrol.cancel 0000000000 0000000001 n\\njunk 0000000000 0000000001 n\\nlocal.test 0000000000 0000000001 y\\n' > active
            cp /dev/null newsgroups; printf 'local.test\\tTests\\n' > newsgroups
            cp /dev/null active.times; chown news:news *
            su news -s /bin/sh -c 'cd /var/lib/news && /usr/lib/news/bin/makedbz -i -o' || true
            su news -s /bin/sh -c 'cd /var/lib/news && touch history && /usr/lib/news/bin/makedbz -i -o'
        fi
        mkdir -p /run/news; chown news:news /run/news
        cd /; su news -s /bin/sh -c '/usr/lib/news/bin/innd -f' &
        exec sleep 600
        """)
    ready(network.client, 119)
    time.sleep(1)
    root.lines.clear()
    with keep("tcp port 119"):
        news(network.client)


IMAPD = """
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: /var/spool/cyrus/mail
admins: cyrus
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN
auditlog: yes
syslog_prefix: cyrus
tls_server_cert: /etc/cyrus-lab.pem
tls_server_key: /etc/cyrus-lab.key
"""


def cyrus(root, network, keep):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 3650, "-keyout", root.path("/etc/cyrus-lab.key"),
        "-out", root.path("/etc/cyrus-lab.pem"), "-subj", "/CN=mail.example.com", stderr=subprocess.DEVNULL)
    os.chmod(root.path("/etc/cyrus-lab.key"), 0o644)
    root.write("/etc/imapd.conf", IMAPD)
    root.write("/etc/cyrus.conf", """
START { recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r" }
SERVICES {
  imap cmd="imapd -U 30" listen="198.51.100.25:143" prefork=0 maxchild=10
  pop3 cmd="pop3d -U 30" listen="198.51.100.25:110" prefork=0 maxchild=10
}
EVENTS { checkpoint cmd="/usr/sbin/cyrus ctl_cyrusdb -c" period=30 }
""")
    root.start(network.server, """
        for user in cyrus bob; do echo lab-secret | saslpasswd2 -p -c -u mail.example.com $user; done
        chown cyrus /etc/sasldb2; mkdir -p /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket /var/lib/cyrus/log/bob
        chown -R cyrus:mail /run/cyrus /var/lib/cyrus/log
        rm -f /var/lib/cyrus/log/bob/*
        exec /usr/lib/cyrus/bin/master -D || exec /usr/sbin/cyrmaster -D
        """)
    ready(network.client, 143)
    admin = Talk(network.client, MAIL, 143, source=CLIENT)
    admin.line()
    admin.imap("a", "LOGIN cyrus lab-secret")
    admin.imap("b", "CREATE user.bob")
    admin.imap("c", "LOGOUT")
    admin.close()
    time.sleep(1)
    root.lines.clear()
    with keep("tcp"):
        mailboxes(network.client, "bob", "lab-secret")
    folder = root.path("/var/lib/cyrus/log/bob")
    for name, number in zip(sorted(os.listdir(folder)), range(1, 3)):
        shutil.copy(os.path.join(folder, name), "%s/telemetry-%d.log" % (keep.folder, number))


FULL = "log_selector = +pid +incoming_port +incoming_interface +smtp_connection +millisec +received_recipients +smtp_no_mail +smtp_protocol_error +smtp_syntax_error"
SERVERS = {
    "exim": ("exim", lambda *a: exim(*a, FULL)),
    "exim-default": ("exim", lambda *a: exim(*a, "")),
    "inn": ("inn", inn),
    "courier": ("courier", courier),
    "courier-esmtpd": ("courier", lambda *a: esmtpd(*a, 0)),
    "courier-esmtpd-dialog": ("courier", lambda *a: esmtpd(*a, 1)),
    "sendmail": ("sendmail", lambda *a: sendmail(*a, 9)),
    "sendmail-15": ("sendmail", lambda *a: sendmail(*a, 15)),
    "cyrus": ("cyrus", cyrus),
}


class Keep:
    """Captures at the server while it is talked to; then the folder has what it logged."""

    def __init__(self, network, folder):
        self.network, self.folder = network, folder

    def __call__(self, only):
        return capture(self.network.server, self.folder + "/wire.pcapng", only=only)


def main():
    roots, out, *names = sys.argv[1:]
    network = net.Net()
    following = Next(network.client)
    try:
        for name in names or SERVERS:
            folder = os.path.join(out, name)
            os.makedirs(folder, exist_ok=True)
            package, talk_to = SERVERS[name]
            root = Root(roots, package)
            root.listen()
            try:
                talk_to(root, network, Keep(network, folder))
            finally:
                root.stop()
                time.sleep(0.5)
                if root.lines:
                    with open(folder + "/syslog.log", "wb") as file:
                        file.write(b"\n".join(root.lines) + b"\n")
            print(name, os.listdir(folder))
    finally:
        following.close()
        network.delete()


main()
