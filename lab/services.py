"""Real servers in the server's namespace: Postfix, Dovecot and nginx, each with its own folder and log."""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from net import MAIL, SLOW, STRICT, WEB, run, stop

USERS = ["user%d" % n for n in range(1, 7)]

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {work}/queue
data_directory = {work}/data
maillog_file = {work}/postfix.log
maillog_file_prefixes = {work}
myhostname = mail.example.com
mydestination = example.com
inet_interfaces = {mail}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
local_recipient_maps = inline:{{ {recipients} }}
alias_maps =
local_transport = discard:
virtual_alias_maps = inline:{{ {{ team@example.com = user1@example.com, user2@example.com, user3@example.com }} }}
smtpd_tls_cert_file = {work}/cert.pem
smtpd_tls_key_file = {work}/key.pem
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_mandatory_protocols = >=TLSv1.2
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_client_port_logging = yes
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_timeout = 6s
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 8
message_size_limit = 60000
"""

MASTER_CF = """
{mail}:25 inet n - n - - smtpd
{mail}:587 inet n - n - - smtpd -o syslog_name=postfix/submission -v
{mail}:465 inet n - n - - smtpd -o syslog_name=postfix/smtps -o smtpd_tls_wrappermode=yes
{slow}:25 inet n - n - - smtpd -o {{ smtpd_recipient_restrictions = sleep 2, reject_unauth_destination }}
  -o {{ smtpd_data_restrictions = sleep 1 }}
{strict}:25 inet n - n - - smtpd -o smtpd_forbid_bare_newline=reject -o smtpd_delay_reject=no
  -o {{ smtpd_client_restrictions = sleep 1, reject_unauth_pipelining }}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT = """
base_dir = {work}/dovecot
protocols = imap pop3
listen = {mail}
log_path = {work}/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S "
ssl = yes
ssl_cert = <{work}/cert.pem
ssl_key = <{work}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 1s
mail_location = maildir:{work}/mail/%u
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = {work}/users
}}
userdb {{
  driver = static
  args = uid=vmail gid=nogroup home={work}/mail/%u
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""

NGINX = """
pid {work}/nginx.pid; user root; worker_processes 1; error_log {work}/nginx-error.log info;
events {{ worker_connections 64; }}
http {{
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
                   ' $remote_port $request_time $upstream_response_time';
  access_log {work}/nginx.log timed;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  keepalive_timeout 4s; client_header_timeout 5s;
  server {{
    listen {web}:80; listen {web}:443 ssl; root {work}/www;
    ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384;
    location /slow {{ proxy_pass http://127.0.0.1:8000; }}
  }}
  server {{
    listen {strict}:80; root {work}/www; access_log {work}/small/nginx-small.log timed;
  }}
  server {{
    listen {web}:8444 ssl; root {work}/www;
    ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem; ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    ssl_ciphers ALL:@SECLEVEL=0;
  }}
  server {{
    listen {web}:8443 ssl; root {work}/www;
    ssl_certificate {work}/expired.pem; ssl_certificate_key {work}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
  }}
}}
"""


class Services:
    """Starts the servers, gives their logs from now on, and stops them."""

    MASTER_CF, DOVECOT, NGINX = MASTER_CF, DOVECOT, NGINX

    def __init__(self, net):
        self.net, self.work = net, tempfile.mkdtemp(prefix="lab.")
        os.chmod(self.work, 0o755)
        self.values = {"work": self.work, "mail": MAIL, "web": WEB, "slow": SLOW, "strict": STRICT,
                       "recipients": " ".join("%s=x" % user for user in USERS)}
        self.marks, self.nginx = {}, None

    def path(self, *names):
        return os.path.join(self.work, *names)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def start(self):
        self._certificates()
        self._dovecot()
        self._postfix()
        self._nginx()
        time.sleep(1)

    def _certificates(self):
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 3650, "-keyout", self.path("key.pem"),
            "-out", self.path("cert.pem"), "-subj", "/CN=mail.example.com",
            "-addext", "subjectAltName=DNS:mail.example.com,DNS:www.example.com", stderr=subprocess.DEVNULL)
        run("openssl", "req", "-new", "-key", self.path("key.pem"), "-out", self.path("csr"), "-subj", "/CN=www.example.com")
        os.mkdir(self.path("ca"))
        open(self.path("ca", "index"), "w").close()
        self.write("ca.cnf", "[ca]\ndefault_ca=x\n[x]\ndatabase=%s\nnew_certs_dir=%s\npolicy=p\nserial=%s\ndefault_md=sha256\n"
                   "[p]\ncommonName=supplied\n" % (self.path("ca", "index"), self.path("ca"), self.path("ca", "serial")))
        run("openssl", "ca", "-batch", "-selfsign", "-config", self.path("ca.cnf"), "-keyfile", self.path("key.pem"), "-in", self.path("csr"),
            "-out", self.path("expired.pem"), "-rand_serial", "-notext", "-startdate", "20240101000000Z", "-enddate", "20250101000000Z",
            stderr=subprocess.DEVNULL)

    def _dovecot(self):
        try:
            pwd.getpwnam("vmail")
        except KeyError:
            run("useradd", "-r", "-M", "vmail")
        for name in ("dovecot", "mail"):
            os.mkdir(self.path(name))
        for user in USERS:
            for folder in ("new", "cur", "tmp"):
                os.makedirs(self.path("mail", user, folder))
        run("chown", "-R", "vmail", self.path("mail"))
        self.write("users", "".join("%s:{PLAIN}secret%s\n" % (user, user[4:]) for user in USERS))
        self.write("dovecot.conf", self.DOVECOT.format(**self.values))
        self.net.server.run("dovecot", "-c", self.path("dovecot.conf"))

    def fill(self, user, sizes):
        """Puts messages into a mailbox, in place of those that were there."""
        from talk import message
        for folder in ("cur", "new"):
            for old in os.listdir(self.path("mail", user, folder)):
                os.remove(self.path("mail", user, folder, old))
        for number, size in enumerate(sizes, 1):
            name = self.path("mail", user, "new", "17000000%02d.m%d.mail" % (number, number))
            with open(name, "wb") as file:
                file.write(message("kept", size, number).replace(b"\r\n", b"\n"))
            shutil.chown(name, "vmail")

    def _postfix(self):
        for name in ("queue", "data", "postfix"):
            os.mkdir(self.path(name))
        shutil.chown(self.path("data"), "postfix")
        self.write("postfix/main.cf", MAIN_CF.format(**self.values))
        self.write("postfix/master.cf", self.MASTER_CF.format(**self.values))
        if os.path.exists("/etc/postfix/dynamicmaps.cf"):
            shutil.copy("/etc/postfix/dynamicmaps.cf", self.path("postfix"))
        self.net.server.run("postfix", "-c", self.path("postfix"), "start", stderr=subprocess.DEVNULL)

    def _nginx(self):
        os.mkdir(self.path("www"))
        # A file system with room for one page, so that a log on it comes to its end.
        os.mkdir(self.path("small"))
        run("mount", "-t", "tmpfs", "-o", "size=4k", "lab-small", self.path("small"))
        for name, size in (("small.txt", 900), ("large.txt", 60000)):
            with open(self.path("www", name), "wb") as file:
                file.write(b"0123456789abcdef0123456789abcde\n" * (size // 32))
        self.write("nginx.conf", self.NGINX.format(**self.values))
        self.nginx = self.net.server.start("nginx", "-c", self.path("nginx.conf"), "-g", "daemon off;", stderr=subprocess.DEVNULL)

    def mark(self):
        """Notes how long each log is."""
        self.marks = {name: os.path.getsize(self.path(name)) if os.path.exists(self.path(name)) else 0
                      for name in ("postfix.log", "dovecot.log", "nginx.log", "nginx-error.log", "small/nginx-small.log")}

    def empty_small(self):
        """Gives the log on the small file system its room again."""
        os.truncate(self.path("small", "nginx-small.log"), 0)

    def rotate(self):
        """Has nginx go on in a new log; the old one is not kept."""
        os.rename(self.path("nginx.log"), self.path("nginx.log.1"))
        self.nginx.send_signal(signal.SIGUSR1)
        self.marks["nginx.log"] = 0

    def keep(self, folder):
        """Copies what the logs got since the mark; a log that got nothing is left out."""
        for name, start in self.marks.items():
            if not os.path.exists(self.path(name)):
                continue
            with open(self.path(name), "rb") as file:
                file.seek(start)
                text = file.read()
            if name == "postfix.log":
                text = b"".join(line for line in text.splitlines(True) if b"postfix-script" not in line)
            if text.strip():
                with open(os.path.join(folder, os.path.basename(name)), "wb") as file:
                    file.write(text)

    def stop(self):
        self.net.server.run("postfix", "-c", self.path("postfix"), "stop", check=False, stderr=subprocess.DEVNULL)
        run("doveadm", "-c", self.path("dovecot.conf"), "stop", check=False, stderr=subprocess.DEVNULL)
        if self.nginx:
            stop(self.nginx)
        run("umount", self.path("small"), check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.work, ignore_errors=True)
