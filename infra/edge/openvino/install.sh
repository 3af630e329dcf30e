#!/bin/sh
# Lets the installed service glimpse run its model by OpenVINO, from the unpacked package that this is
# part of.
#
#   ./install.sh               install or upgrade, and restart the service
#   ./install.sh --uninstall   remove it; the CPU provider runs the model again
#
# PREFIX (default /usr/local) is where the libraries go. With DESTDIR everything goes below that folder,
# and no service is touched.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
lib=$prefix/lib/glimpse-openvino
settings=/etc/systemd/system/glimpse.service.d/openvino.conf

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

restart() {
    [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
    systemctl daemon-reload
    systemctl try-restart glimpse.service
}

case $prefix in
    /*) ;;
    *) fail "PREFIX=$prefix: expected an absolute path" ;;
esac
case $prefix in
    *[!A-Za-z0-9/._-]*) fail "PREFIX=$prefix: letters, digits, / . _ - only" ;;
esac
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run this as root, or give DESTDIR"
case ${1:-} in
    --uninstall)
        rm -rf "$root$lib" "$root$settings"
        restart
        ;;
    '')
        (cd "$here" && sha256sum -c SHA256SUMS >/dev/null) || fail "the package is damaged"
        mkdir -p "$root$prefix/lib" "$root$(dirname $settings)"
        rm -rf "$root$lib.new"
        cp -R "$here" "$root$lib.new"
        chmod -R u=rwX,go=rX "$root$lib.new"
        [ -n "$root" ] || chown -R 0:0 "$lib.new"
        rm -rf "$root$lib"
        mv "$root$lib.new" "$root$lib"
        sed "s|@LIB@|$lib/lib|g" "$here/glimpse.service.conf" >"$root$settings"
        restart
        ;;
    *)
        sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
        [ "$1" = --help ] || exit 2
        ;;
esac
