#!/bin/sh
# Installs or upgrades Glimpse as a systemd service, from the unpacked package that this is part of.
#
#   ./install.sh                       install, or upgrade and keep the configuration; then start
#   ./install.sh --no-start            the same without starting
#   ./install.sh --uninstall           stop and remove; configuration and state stay
#   ./install.sh --uninstall --purge   remove these too
#
# PREFIX (default /usr/local) is where the program goes. With DESTDIR everything goes below that
# folder, and neither users nor services are touched.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
lib=$prefix/lib/glimpse
link=../lib/glimpse/bin/glimpse
unit=/etc/systemd/system/glimpse.service
config=/etc/glimpse

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Whether systemd is the one that runs services here.
booted() {
    [ -z "$root" ] && [ -d /run/systemd/system ] && has systemctl
}

check() {
    case $prefix in
        /*) ;;
        *) fail "PREFIX=$prefix: expected an absolute path" ;;
    esac
    case $prefix in
        *[!A-Za-z0-9/._-]*) fail "PREFIX=$prefix: letters, digits, / . _ - only" ;;
    esac
    [ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run this as root, or give DESTDIR"
}

# The user that the service runs as; without one of these tools it must be there already.
user() {
    [ -n "$root" ] && return
    id glimpse >/dev/null 2>&1 && return
    if has useradd; then
        useradd --system --user-group --home-dir /var/lib/glimpse --no-create-home \
            --shell /usr/sbin/nologin --comment "Glimpse image classification" glimpse
    elif has adduser; then
        adduser -S -D -H -h /var/lib/glimpse -s /sbin/nologin glimpse # BusyBox
        addgroup -S glimpse 2>/dev/null || true
    else
        fail "there is no useradd; make a system user and group named glimpse"
    fi
}

install_program() {
    mkdir -p "$root$prefix/lib" "$root$prefix/bin"
    rm -rf "$root$lib.new" "$root$lib.old"
    cp -R "$here" "$root$lib.new"
    chmod -R u=rwX,go=rX "$root$lib.new"
    [ -n "$root" ] || chown -R 0:0 "$lib.new"
    [ ! -e "$root$lib" ] || mv "$root$lib" "$root$lib.old"
    mv "$root$lib.new" "$root$lib"
    rm -rf "$root$lib.old"
    ln -sf "$link" "$root$prefix/bin/glimpse"
}

install_config() {
    mkdir -p "$root$config" "$root$(dirname $unit)"
    cp "$here/glimpse.env" "$root$config/glimpse.env.example"
    [ -e "$root$config/glimpse.env" ] || cp "$here/glimpse.env" "$root$config/glimpse.env"
    # It may hold keys of S3: systemd reads it as root, and nobody else needs to.
    chmod 600 "$root$config/glimpse.env"
    sed "s|@LIB@|$lib|g; /^# @LIB@/d" "$here/glimpse.service" >"$root$unit"
    chmod 644 "$root$unit" "$root$config/glimpse.env.example"
}

install_all() {
    [ "$here" != "$root$lib" ] || fail "run install.sh of an unpacked package, not the installed one"
    (cd "$here" && sha256sum -c SHA256SUMS >/dev/null) || fail "the package is damaged"
    user
    install_program
    install_config
    if ! booted; then
        echo "installed; systemd does not run here: start $lib/bin/glimpse serve by other means"
        return
    fi
    systemctl daemon-reload
    systemctl --quiet enable glimpse.service
    [ "$start" = yes ] || return 0
    systemctl restart glimpse.service || fail "the service did not start; see journalctl -u glimpse"
    echo "Glimpse runs; its address is GLIMPSE_LISTEN in $config/glimpse.env"
}

uninstall() {
    if booted && [ -e $unit ]; then
        systemctl --quiet disable --now glimpse.service
    fi
    rm -rf "$root$lib" "$root$lib.new" "$root$lib.old" "$root$unit"
    [ "$(readlink "$root$prefix/bin/glimpse")" != "$link" ] || rm "$root$prefix/bin/glimpse"
    ! booted || systemctl daemon-reload
    rm -f "$root$config/glimpse.env.example"
    if [ "$purge" = yes ]; then
        rm -rf "$root$config" "$root/var/lib/glimpse" "$root/var/cache/glimpse"
        if [ -z "$root" ] && id glimpse >/dev/null 2>&1; then
            if has userdel; then userdel glimpse; else deluser glimpse; fi
        fi
    elif [ -e "$root$config" ]; then
        echo "kept: $config and /var/lib/glimpse (--purge removes them)"
    fi
}

action=install_all start=yes purge=no
for argument; do
    case $argument in
        --no-start) start=no ;;
        --uninstall) action=uninstall ;;
        --purge) purge=yes ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; [ "$argument" = --help ] && exit; exit 2 ;;
    esac
done
[ "$purge" = no ] || [ "$action" = uninstall ] || fail "--purge goes with --uninstall"
check
$action
