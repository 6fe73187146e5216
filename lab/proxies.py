"""A proxy before real servers: what it tells them of its clients, and what they log. See proxies.sh."""
import os
import sys
import threading
import time

import net
import services
from net import CLIENT, CLIENT_GATEWAY, MAIL, OTHER_CLIENT, WEB, capture, stop
from services import Services
from talk import Talk, mail, message, trusting
from web_servers import get

HAPROXY = """
defaults
  timeout connect 2s
  timeout client 9s
  timeout server 9s
  http-reuse always
listen smtp
  bind {proxy}:25
  server s1 {mail}:2525 send-proxy
listen imap
  bind {proxy}:143
  server s1 {mail}:10143 send-proxy-v2
listen pop3s
  bind {proxy}:995
  server s1 {mail}:10995 send-proxy-v2
frontend www
  mode http
  bind {proxy}:80
  option forwardfor
  default_backend web
backend web
  mode http
  server s1 {web}:8080
"""


class Proxied(Services):
    """The servers, with listeners that believe a proxy."""

    MASTER_CF = services.MASTER_CF + """\
{mail}:2525 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy
{mail}:2526 inet n - n - - smtpd -o smtpd_authorized_xclient_hosts=192.0.2.10
"""
    DOVECOT = services.DOVECOT + """
haproxy_trusted_networks = 198.51.100.1
login_trusted_networks = 192.0.2.10
service imap-login {{
  inet_listener imap-proxied {{
    port = 10143
    haproxy = yes
  }}
}}
service pop3-login {{
  inet_listener pop3s-proxied {{
    port = 10995
    haproxy = yes
    ssl = yes
  }}
}}
"""
    NGINX = services.NGINX.rstrip().removesuffix("}}") + """
  server {{
    listen {web}:8080; root {work}/www;
    set_real_ip_from 198.51.100.1; real_ip_header X-Forwarded-For;
  }}
}}
"""


def of_one(client, address, number):
    """What one client does: mail, two mailboxes, and pages among those of others over the proxy's connections."""
    talk = Talk(client, CLIENT_GATEWAY, 25, source=address)
    mail(talk, body=message("proxied", 500 + 37 * number), helo="host%d.example.net" % number)
    imap = Talk(client, CLIENT_GATEWAY, 143, source=address)
    imap.line()
    imap.imap("a", "LOGIN user%d secret%d" % (number, number))
    imap.imap("b", "SELECT INBOX")
    imap.imap("c", "LOGOUT")
    imap.close()
    secure = Talk(client, CLIENT_GATEWAY, 995, source=address).tls(trusting(), "mail.example.com")
    secure.line()
    for line in ("USER user%d" % number, "PASS secret%d" % number, "STAT", "QUIT"):
        secure.pop(line)
    secure.close()
    page = Talk(client, CLIENT_GATEWAY, 80, source=address)
    for path in ("/small.txt", "/none%d" % number, "/small.txt"):
        get(page, path)
        time.sleep(0.13)
    page.close()


def in_words(client, number):
    """What proxies say that name their client in a command of the protocol."""
    behind = "203.0.113.%d" % number
    talk = Talk(client, MAIL, 2526, source=CLIENT)
    talk.reply()
    talk.ask("EHLO proxy.example.net")
    talk.ask("XCLIENT NAME=[UNAVAILABLE] ADDR=%s PORT=%d" % (behind, 4000 + number))
    mail(talk, body=message("relayed", 300 + number), helo="behind%d.example.net" % number, greet=False)
    imap = Talk(client, MAIL, 143, source=CLIENT)
    imap.line()
    imap.imap("a", 'ID ("x-originating-ip" "%s" "x-originating-port" "%d")' % (behind, 5000 + number))
    imap.imap("b", "LOGIN user1 secret1")
    imap.imap("c", "LOGOUT")
    imap.close()
    pop = Talk(client, MAIL, 110, source=CLIENT)
    pop.line()
    for line in ("XCLIENT ADDR=%s PORT=%d" % (behind, 6000 + number), "USER user2", "PASS secret2", "QUIT"):
        pop.pop(line)
    pop.close()


def main():
    out, = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    network = net.Net()
    servers = Proxied(network)
    try:
        servers.start()
        with open(servers.path("haproxy.cfg"), "w") as file:
            file.write(HAPROXY.format(proxy=CLIENT_GATEWAY, mail=MAIL, web=WEB))
        proxy = network.router.start("haproxy", "-db", "-f", servers.path("haproxy.cfg"))
        time.sleep(1)
        servers.mark()
        with capture(network.server, out + "/wire.pcapng", only="tcp"):
            for turn in range(3):
                of_all = [threading.Thread(target=of_one, args=(network.client, address, 1 + (2 * turn + at) % 6))
                          for at, address in enumerate((CLIENT, OTHER_CLIENT))]
                for thread in of_all:
                    thread.start()
                    time.sleep(0.21)
                in_words(network.client, 7 + turn)
                for thread in of_all:
                    thread.join()
                time.sleep(0.7)
        stop(proxy)
        time.sleep(0.5)
        servers.keep(out)
    finally:
        servers.stop()
        network.delete()


if __name__ == "__main__":
    main()
