"""Web servers and proxies, talked to and captured. See web-servers.sh."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import net
from net import CLIENT, OTHER_CLIENT, WEB, capture, run, stop
from talk import Talk, trusting

# As `bothends logging apache` has it.
BOTH = r'%a:%{remote}p %A:%{local}p %{begin:usec}t %D %k %X %>s %B \"%r\" %{SSL_PROTOCOL}x %{SSL_CIPHER}x'
COMBINED = r'%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"'

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
LogFormat "{combined}" combined
LogFormat "{both}" both
CustomLog {work}/access.log combined
CustomLog {work}/apache-custom.log both
<Directory {work}/www>
  Require all granted
</Directory>
<VirtualHost {address}:443>
  ServerName www.example.com
  SSLEngine on
  SSLCertificateFile {work}/cert.pem
  SSLCertificateKeyFile {work}/key.pem
  CustomLog {work}/access.log combined
  CustomLog {work}/apache-custom.log both
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


class Servers:
    """Apache, and before it HAProxy where `proxied`."""

    def __init__(self, network, proxied):
        self.network, self.proxied = network, proxied
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
        address = "127.0.0.1" if self.proxied else WEB
        self.write("apache.conf", APACHE.format(work=self.work, modules="/usr/lib/apache2/modules", address=address, combined=COMBINED, both=BOTH))
        self.running.append(self.network.server.start("apache2", "-f", self.path("apache.conf"), "-DFOREGROUND"))
        if self.proxied:
            self._listen()
            self.write("both.pem", open(self.path("cert.pem")).read() + open(self.path("key.pem")).read())
            self.write("haproxy.cfg", HAPROXY.format(work=self.work, web=WEB))
            self.running.append(self.network.server.start("haproxy", "-db", "-f", self.path("haproxy.cfg")))
        time.sleep(2)

    def _listen(self):
        """Takes what HAProxy sends to syslog, as files of syslog have it: with the host behind the stamp."""
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log.bind(self.path("log"))

        def hear():
            while True:
                text = log.recv(65536).rstrip(b"\0\n").split(b">", 1)[1]
                self.lines.append(text[:16] + b"web " + text[16:])

        threading.Thread(target=hear, daemon=True).start()

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
        for name in ("access.log", "apache-custom.log"):
            run("cp", self.path(name), folder)


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


def main():
    out, *names = sys.argv[1:]
    network = net.Net()
    try:
        for name in names or ("apache", "haproxy"):
            folder = os.path.join(out, name)
            os.makedirs(folder, exist_ok=True)
            servers = Servers(network, name == "haproxy")
            try:
                servers.start()
                with capture(network.server, folder + "/wire.pcapng", only="tcp"):
                    browse(network.client, servers.proxied)
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
