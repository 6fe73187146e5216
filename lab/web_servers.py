"""Web servers and proxies, talked to and captured. See web-servers.sh."""
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from email.utils import formatdate

import net
from net import CLIENT, OTHER_CLIENT, WEB, capture, run, stop
from talk import Server, Talk, trusting

# As `bothends logging apache` has it.
BOTH = r'%a:%{remote}p %A:%{local}p %{begin:usec}t %D %k %X %>s %B \"%r\" %{SSL_PROTOCOL}x %{SSL_CIPHER}x'
COMBINED = r'%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"'
# As people write them, each with the client's port, by which a test knows whose line it is.
APACHE_FORMATS = {
    "parts": r'%{sec}t.%{msec_frac}t %a %{remote}p \"%m %U%q %H\" %>s %b %{ms}T \"%{Referer}i\"',
    "tabs": r'%{usec}t\t%a\t%{remote}p\t%>s\t%O\t%r\t%D\t%{SSL_PROTOCOL}x',
    "json": r'{ \"time\":\"%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t%{%z}t\", \"client\":\"%a\", \"client_port\":%{remote}p, \"request\":\"%r\", '
            r'\"status\":%>s, \"bytes\":%B, \"us\":%D, \"agent\":\"%{User-Agent}i\" }',
    "ended": r'%v:%p %h %l %u [%{end:%d/%b/%Y:%H:%M:%S}t.%{end:msec_frac}t %{%z}t] \"%r\" %>s %O %{remote}p',
}
NGINX_FORMATS = {
    "sent": r'$msec $remote_addr:$remote_port $request_time $status $bytes_sent "$request" $ssl_protocol $connection',
    "parts": r'$time_local | $remote_addr | $remote_port | $request_method | $request_uri | $server_protocol | $status | $body_bytes_sent | $upstream_response_time',
    "json": r'{"at":"$time_iso8601","client":"$remote_addr","client_port":$remote_port,"request":"$request","status":$status,"bytes_sent":$bytes_sent,"took":$request_time}',
}
# Without anything that names a connection, and beside them what does, line by line.
APACHE_HIDDEN = {"sent": r'%a %{sec}t \"%r\" %>s %O', "truth": r'%{remote}p'}
NGINX_HIDDEN = {"sent": r'$remote_addr [$time_local] "$request" $status $bytes_sent', "truth": r'$remote_port'}

APACHE = """
ServerRoot {work}
ServerName www.example.com
PidFile {work}/apache.pid
DefaultRuntimeDir {work}
ErrorLog {work}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
User www-data
Group www-data
DocumentRoot {work}/www
Listen {address}:80
Listen {address}:443
KeepAliveTimeout 4
Timeout 4
{formats}
{logs}
<Directory {work}/www>
  Require all granted
</Directory>
<VirtualHost {address}:443>
  ServerName www.example.com
  SSLEngine on
  SSLCertificateFile {work}/cert.pem
  SSLCertificateKeyFile {work}/key.pem
  {logs}
</VirtualHost>
"""

HAPROXY = """
global
  log {work}/log local0
defaults
  log global
  timeout connect 2s
  timeout client 4s
  timeout server 4s
frontend www
  mode http
  option httplog
  bind {web}:80
  bind {web}:443 ssl crt {work}/both.pem
  default_backend web
backend web
  mode http
  server s1 127.0.0.1:80
listen passed
  mode tcp
  option tcplog
  bind {web}:8080
  server s1 127.0.0.1:80
"""


# What it cannot reach, what takes too long, what is too large: its error log tells of each.
NGINX = """
daemon off;
user www-data;
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log info;
events {{ worker_connections 64; }}
http {{
  {formats}
  {logs}
  keepalive_timeout 4s;
  client_header_timeout 2s;
  client_body_timeout 2s;
  client_max_body_size 1k;
  client_body_temp_path {work}/body;
  proxy_temp_path {work}/proxy;
  server {{
    listen {web}:80;
    listen {web}:443 ssl;
    ssl_certificate {work}/cert.pem;
    ssl_certificate_key {work}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    root {work}/www;
    location /refused {{ proxy_pass http://127.0.0.1:9; }}
    location /slow {{ proxy_pass http://127.0.0.1:8299; proxy_read_timeout 1s; }}
    location /denied {{ deny all; }}
  }}
}}
"""


# Pages of different sizes.
PAGES = 12
# Seconds between connections that only their time tells apart.
SPREAD = 1.5


class Servers:
    """Apache, HAProxy before it, or nginx, by the name of the folder that is made."""

    def __init__(self, network, name):
        self.network, self.name = network, name
        self.proxied = name == "haproxy"
        self.formats = {"access": COMBINED, "apache-custom": BOTH}
        more = {"apache-formats": APACHE_FORMATS, "apache-hidden": APACHE_HIDDEN, "nginx": NGINX_FORMATS, "nginx-hidden": NGINX_HIDDEN}.get(name)
        if more:
            self.formats = {name.split("-")[0] + "-" + kind: text for kind, text in more.items()}
        self.work = tempfile.mkdtemp(prefix="lab.")
        os.chmod(self.work, 0o755)
        self.lines, self.running = [], []

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def start(self):
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 3650, "-keyout", self.path("key.pem"),
            "-out", self.path("cert.pem"), "-subj", "/CN=www.example.com", stderr=subprocess.DEVNULL)
        os.mkdir(self.path("www"))
        self.write("www/small.txt", "0123456789abcdef0123456789abcde\n" * 20)
        self.write("www/large.txt", "0123456789abcdef0123456789abcde\n" * 400)
        for number in range(PAGES):
            self.write("www/%d.txt" % number, "x" * (37 + 173 * number))
        if self.name.startswith("nginx"):
            self._start_nginx()
        else:
            self._start_apache()
        if self.proxied:
            self._listen()
            self.write("both.pem", open(self.path("cert.pem")).read() + open(self.path("key.pem")).read())
            self.write("haproxy.cfg", HAPROXY.format(work=self.work, web=WEB))
            self.running.append(self.network.server.start("haproxy", "-db", "-f", self.path("haproxy.cfg")))
        time.sleep(2)

    def _start_apache(self):
        address = "127.0.0.1" if self.proxied else WEB
        formats = "\n".join('LogFormat "%s" %s' % (text, name) for name, text in self.formats.items())
        logs = "\n".join("CustomLog %s %s" % (self.path(name + ".log"), name) for name in self.formats)
        self.write("apache.conf", APACHE.format(work=self.work, modules="/usr/lib/apache2/modules", address=address, formats=formats, logs=logs))
        self.running.append(self.network.server.start("apache2", "-f", self.path("apache.conf"), "-DFOREGROUND"))

    def _start_nginx(self):
        formats = "\n".join("log_format %s escape=%s '%s';" % (name, "json" if name == "nginx-json" else "default", text)
                            for name, text in self.formats.items())
        logs = "\n".join("access_log %s %s;" % (self.path(name + ".log"), name) for name in self.formats)
        self.write("nginx.conf", NGINX.format(work=self.work, web=WEB, formats=formats, logs=logs))
        self.silent = Server(self.network.server, "127.0.0.1", 8299, lambda connection: time.sleep(4))
        self.running.append(self.network.server.start("nginx", "-c", self.path("nginx.conf"), "-e", self.path("error.log")))

    def _listen(self):
        """Takes what HAProxy sends to syslog, as files of syslog have it: with the host behind the stamp."""
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log.bind(self.path("log"))

        def hear():
            while True:
                text = log.recv(65536).rstrip(b"\0\n").split(b">", 1)[1]
                self.lines.append(text[:16] + b"web " + text[16:])

        threading.Thread(target=hear, daemon=True).start()

    def is_of_formats(self):
        """Whether there are several formats of which a test knows what they are."""
        return self.formats.keys().isdisjoint(("access", "apache-custom"))

    def stop(self):
        for process in reversed(self.running):
            stop(process)

    def remove(self):
        shutil.rmtree(self.work)

    def keep(self, folder):
        """Copies the logs into a folder."""
        if self.proxied:
            with open(folder + "/syslog.log", "wb") as file:
                file.write(b"\n".join(self.lines) + b"\n")
            return
        for name in self.formats:
            ending = ".txt" if name.endswith("-truth") else ".log"
            run("cp", self.path(name + ".log"), folder + "/" + name + ending)
        if self.name == "nginx":
            run("cp", self.path("error.log"), folder + "/nginx-error.log")
        if not self.is_of_formats():
            return
        with open(folder + "/formats.txt", "w") as file:
            file.writelines("%s=%s\n" % (name, text.replace('\\"', '"')) for name, text in self.formats.items())


def get(talk, path, more="", method="GET"):
    """One request, and its answer with the body."""
    talk.send(("%s %s HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: lab/1 \"q\"\r\n%s\r\n" % (method, path, more)).encode())
    length = 0
    while line := talk.line():
        if line.lower().startswith("content-length:"):
            length = int(line.split(":")[1])
    while len(talk.held) < length:
        talk.held += talk.socket.recv(65536)
    talk.held = talk.held[length:]


def browse(client, passed):
    """Connections of two clients that overlap: several requests on one, encrypted, refused, broken off, silent, and none of HTTP."""
    one = Talk(client, WEB, 80, source=CLIENT)
    two = Talk(client, WEB, 80, source=OTHER_CLIENT)
    three = Talk(client, WEB, 80, source=CLIENT)
    secure = Talk(client, WEB, 443, source=CLIENT).tls(trusting(), "www.example.com")
    silent = Talk(client, WEB, 80, source=OTHER_CLIENT)
    get(one, "/small.txt")
    get(two, "/none?token=lab-secret")
    get(three, "/large.txt")
    get(secure, "/small.txt", "Referer: https://www.example.com/start\r\n")
    time.sleep(1.1)
    get(one, "/large.txt")
    get(secure, "/none")
    get(two, "/small.txt", "Content-Length: 0\r\n", "POST")
    get(three, "/small.txt", "Connection: close\r\n")
    four = Talk(client, WEB, 80, source=OTHER_CLIENT)
    four.send(b"\x16\x03\x01garbage\r\n\r\n")
    four.rest()
    five = Talk(client, WEB, 80, source=CLIENT)
    five.send(b"GET /small.txt HTTP/1.1\r\nHost: www")
    five.abort()
    if passed:
        through = Talk(client, WEB, 8080, source=OTHER_CLIENT)
        get(through, "/small.txt")
        through.close()
    for talk in (one, two, three, secure):
        talk.close()
    time.sleep(5)
    silent.close()
    time.sleep(1)


def fail(client):
    """What nginx writes into its error log: each by a connection of its own, and in a second of its own, as the log names no ports."""
    ways = [
        ("/refused", "", "GET"), ("/slow", "", "GET"), ("/denied", "", "GET"), ("/none", "", "GET"),
        ("/small.txt", "Content-Length: 5000\r\n", "POST"),
    ]
    for path, more, method in ways:
        talk = Talk(client, WEB, 80, source=CLIENT)
        get(talk, path, more, method)
        talk.close()
        time.sleep(SPREAD)
    for said in (b"\x16\x03\x01garbage\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /x HTTP/9.9\r\n\r\n", b"GET /a\"b, client: x HTTP/1.1\r\nHo st: x\r\n\r\n"):
        talk = Talk(client, WEB, 80, source=OTHER_CLIENT)
        talk.send(said)
        talk.rest()
        talk.close()
        time.sleep(SPREAD)
    late = [Talk(client, WEB, 80, source=OTHER_CLIENT) for _ in range(2)]
    late[0].send(b"GET /small.txt HTTP/1.1\r\nHost: www")
    late[1].send(b"POST /refused HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 500\r\n\r\nhalf")
    for talk in late:
        talk.rest()
        talk.close()
    gone = Talk(client, WEB, 80, source=OTHER_CLIENT)
    gone.send(b"GET /slow HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    time.sleep(0.3)
    gone.abort()
    handshakes(client)


def handshakes(client):
    """TLS that comes to nothing: not spoken, too old, not trusted, broken off."""
    plain = Talk(client, WEB, 443, source=CLIENT)
    plain.send(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    plain.rest()
    time.sleep(SPREAD)
    for context in (trusting(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1), ssl.create_default_context()):
        context.set_ciphers("ALL:@SECLEVEL=0")
        try:
            Talk(client, WEB, 443, source=CLIENT).tls(context, "www.example.com")
        except (ssl.SSLError, OSError):
            pass
        time.sleep(SPREAD)
    half = Talk(client, WEB, 443, source=OTHER_CLIENT)
    half.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    time.sleep(0.2)
    half.close()


def read_pages(client, source, seed):
    """Pages in any order, all encrypted: several on each connection, at any pace."""
    chance = random.Random(seed)
    for _ in range(4):
        talk = Talk(client, WEB, 443, source=source).tls(trusting(), "www.example.com")
        for _ in range(chance.randint(1, 3)):
            get(talk, "/%d.txt" % chance.randrange(PAGES))
            time.sleep(chance.uniform(0.05, 0.7))
        talk.close()
        time.sleep(chance.uniform(0.05, 0.9))


def hidden(client):
    """Two readers at each of two addresses."""
    readers = [threading.Thread(target=read_pages, args=(client, source, seed)) for seed, source in enumerate((CLIENT, OTHER_CLIENT) * 2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    time.sleep(1)


def revisit(client, since):
    """A page that has not changed since, in the clear and encrypted."""
    for talk in (Talk(client, WEB, 80, source=OTHER_CLIENT), Talk(client, WEB, 443, source=OTHER_CLIENT).tls(trusting(), "www.example.com")):
        get(talk, "/small.txt", "If-Modified-Since: %s\r\n" % since)
        get(talk, "/large.txt")
        talk.close()


def talk(client, servers):
    """All that is asked of the servers."""
    if servers.name.endswith("-hidden"):
        return hidden(client)
    browse(client, servers.proxied)
    if servers.is_of_formats():
        revisit(client, formatdate(os.path.getmtime(servers.path("www/small.txt")), usegmt=True))
    if servers.name == "nginx":
        fail(client)
        time.sleep(2)


def main():
    out, *names = sys.argv[1:]
    network = net.Net()
    try:
        for name in names or ("apache", "apache-formats", "apache-hidden", "haproxy", "nginx", "nginx-hidden"):
            folder = os.path.join(out, name)
            os.makedirs(folder, exist_ok=True)
            servers = Servers(network, name)
            try:
                servers.start()
                with capture(network.server, folder + "/wire.pcapng", only="tcp"):
                    talk(network.client, servers)
            finally:
                servers.stop()
            time.sleep(0.5)
            servers.keep(folder)
            servers.remove()
            print(name, os.listdir(folder))
    finally:
        network.delete()


if __name__ == "__main__":
    main()
