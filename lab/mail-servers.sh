#!/bin/sh
# Runs Exim, INN, Courier (mailboxes and mail), Sendmail and Cyrus for real, each in a root of its own and in network namespaces, and keeps their logs with captures.
#   mail-servers.sh OUT [NAME…]
# Leaves OUT/NAME/{wire.pcapng, *.log}. All without NAME. Needs root and debootstrap; ROOTS says where the roots are made (they take 2 GB).
# The servers conflict as packages: none is installed on this machine, and none is started but from here.
set -e
HERE=$(dirname "$0")
OUT=$1
shift
ROOTS=${ROOTS:-/var/tmp/mail-servers}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
mkdir -p "$ROOTS"

if [ ! -e "$ROOTS/base/usr/sbin/policy-rc.d" ]; then
    debootstrap --variant=minbase bookworm "$ROOTS/base" "$MIRROR"
    printf '#!/bin/sh\nexit 101\n' > "$ROOTS/base/usr/sbin/policy-rc.d"
    chmod 755 "$ROOTS/base/usr/sbin/policy-rc.d"
fi

# root NAME PACKAGE…: a root with some packages, what they start at installation kept in a namespace.
root() {
    name=$1
    shift
    [ -e "$ROOTS/$name/.ready" ] && return
    [ -d "$ROOTS/$name" ] || cp -a "$ROOTS/base" "$ROOTS/$name"
    cp /etc/resolv.conf "$ROOTS/$name/etc/"
    echo "127.0.0.1 localhost" > "$ROOTS/$name/etc/hosts"
    echo "198.51.100.25 mail.example.com mail" >> "$ROOTS/$name/etc/hosts"
    echo mail.example.com > "$ROOTS/$name/etc/mailname"
    unshare --mount --pid --uts --fork --kill-child sh -c "
        hostname mail.example.com
        mount -t proc proc '$ROOTS/$name/proc'
        DEBIAN_FRONTEND=noninteractive chroot '$ROOTS/$name' apt-get -q -y --no-install-recommends install $* < /dev/null"
    touch "$ROOTS/$name/.ready"
}

root exim exim4-daemon-light
root inn inn2
root courier courier-imap courier-pop courier-authdaemon courier-mta
root sendmail sendmail-bin sendmail-cf m4 make
root cyrus cyrus-imapd cyrus-pop3d sasl2-bin

exec python3 "$HERE/mail_servers.py" "$ROOTS" "$OUT" "$@"
