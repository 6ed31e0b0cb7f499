#!/usr/bin/env bash
# Installs the package in a fresh Debian with its own dependencies, uses it as a user does, and removes it. Needs root and debootstrap.
#   check-deb.sh [PACKAGE]    <target>/deb/goyt_*.deb
# Settings by environment: DEBIAN_RELEASE (bookworm), DEBIAN_MIRROR (the one of this machine's debootstrap).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
package=${1:-$(ls -t "${CARGO_TARGET_DIR:-target}"/deb/goyt_*.deb | head -n 1)}
release=${DEBIAN_RELEASE:-bookworm}
command -v debootstrap >/dev/null || { echo "check-deb: debootstrap is needed: apt-get install debootstrap" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "check-deb: a chroot needs root: sudo make check-deb" >&2; exit 1; }
chroot=$(mktemp -d)
chmod 755 "$chroot" # apt reads the package as a user of its own
trap 'umount "$chroot/proc" 2>/dev/null || true; rm -rf --one-file-system "$chroot"' EXIT

say() { echo "check-deb: $*" >&2; }
inside() { chroot "$chroot" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} "$@"; }

say "a fresh $release"
debootstrap --variant=minbase "$release" "$chroot" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$chroot.log" 2>&1 || { tail "$chroot.log" >&2; exit 1; }
rm -f "$chroot.log"
mount -t proc proc "$chroot/proc"
for file in /etc/resolv.conf /etc/apt/apt.conf.d/*proxy* /etc/apt/sources.list; do
  if [ -e "$file" ]; then install -D -m 644 "$file" "$chroot$file"; fi
done
cp "$package" "$chroot/goyt.deb"

say "install $(basename "$package")"
inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends /goyt.deb >/dev/null

say "use it"
inside goyt --version
inside sh -c 'cp -r /usr/share/doc/goyt/examples/topologies/. /etc/goyt/topologies/'
inside goyt validate --config /etc/goyt/goyt.yaml /etc/goyt/topologies
inside goyt test /etc/goyt/topologies | tail -n 1
inside test -f /lib/systemd/system/goyt.service
inside test -f /usr/share/man/man1/goyt.1.gz
echo '# changed' >>"$chroot/etc/goyt/goyt.yaml"
inside dpkg --install --force-confold /goyt.deb >/dev/null
grep -q '# changed' "$chroot/etc/goyt/goyt.yaml" || { say "an upgrade overwrote /etc/goyt/goyt.yaml"; exit 1; }

say "remove it"
inside sh -c 'rm -r /etc/goyt/topologies/*'
inside dpkg --purge goyt >/dev/null
left=$(inside find / -xdev -path /proc -prune -o -name '*goyt*' -not -name goyt.deb -print)
[ -z "$left" ] || { say "left behind: $left"; exit 1; }
say "installed, used, upgraded and removed: all is well"
