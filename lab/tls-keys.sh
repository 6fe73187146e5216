#!/bin/sh
# Makes TLS whose keys change: updates in the middle of a connection (RFC 8446 §4.6.3), sessions taken up again, one suite of each kind of 1.2, older ones, and HTTP/2.
#   tls-keys.sh OUT
# Leaves OUT/{wire.pcapng, nginx.log}, the secrets inside the capture. Needs root, nginx, openssl, curl, tcpdump and editcap; traffic stays in a namespace.
set -eu
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
if [ "${INSIDE:-}" != yes ]; then
    INSIDE=yes exec unshare --net "$0" "$OUT"
fi
ip link set lo up
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
cd "$W"
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout key.pem -out cert.pem -subj /CN=www.example.com 2>/dev/null
mkdir www
echo hello > www/a
echo worldworld > www/b
cat > nginx.conf <<C
pid $W/nginx.pid; user root; error_log $W/error.log;
events {}
http {
  access_log $OUT/nginx.log;
  server {
    listen 127.0.0.1:443 ssl http2; listen 127.0.0.1:8080 http2; root $W/www; keepalive_timeout 10; ssl_session_cache shared:all:1m;
    ssl_certificate $W/cert.pem; ssl_certificate_key $W/key.pem; ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;
  }
}
C
rm -f "$OUT/nginx.log"
nginx -c "$W/nginx.conf"
tcpdump -i lo -U --immediate-mode -w raw.pcap tcp port 443 or tcp port 8080 2>/dev/null &
TCPDUMP=$!
sleep 1

get() { # PATH
    printf 'GET /%s HTTP/1.1\nHost: www.example.com\n\n' "$1"
    sleep 0.4
}
client() { # OPTION...
    openssl s_client -connect 127.0.0.1:443 -crlf -keylogfile keys.log "$@" >/dev/null 2>&1
}

# K has both sides take new keys, k only the client.
{ get a; echo K; sleep 0.3; get b; echo k; sleep 0.3; get a; } | client -tls1_3 -sess_out session
get a | client -tls1_3 -sess_in session
for cipher in ECDHE-RSA-AES128-SHA256 ECDHE-RSA-CHACHA20-POLY1305 AES256-SHA ECDHE-RSA-AES256-GCM-SHA384; do
    { get a; get b; } | client -tls1_2 -cipher "$cipher" -sess_out session
    get b | client -tls1_2 -cipher "$cipher" -sess_in session
done
# What old servers speak: each version, and a cipher of another kind.
for suite in tls1:AES128-SHA tls1:CAMELLIA256-SHA tls1_1:ECDHE-RSA-AES256-SHA tls1_2:ECDHE-RSA-CAMELLIA128-SHA256; do
    { get a; get b; } | client "-${suite%%:*}" -cipher "${suite#*:}:@SECLEVEL=0"
done
# HTTP/2 in TLS and in the clear: several requests on one connection.
for base in "--http2 https://127.0.0.1" "--http2-prior-knowledge http://127.0.0.1:8080"; do
    url=${base#* }
    SSLKEYLOGFILE=keys.log curl -sk "${base%% *}" "$url/a" "$url/none" "$url/b" >/dev/null || true
    sleep 0.3
done
sleep 0.5
kill "$TCPDUMP"
wait "$TCPDUMP" || true
nginx -c "$W/nginx.conf" -s stop 2>/dev/null
editcap --inject-secrets tls,keys.log -F pcapng raw.pcap "$OUT/wire.pcapng"
