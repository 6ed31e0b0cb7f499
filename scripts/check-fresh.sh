#!/usr/bin/env bash
# Follows the README in a fresh Debian that has git, curl, make, gcc, g++ and Rust alone, and says how long each command took.
#   check-fresh.sh [TARGET…]    demo test. Needs root, debootstrap, and rustup's Rust on this machine, which is lent to the fresh one.
# Settings by environment: DEBIAN_RELEASE (bookworm), DEBIAN_MIRROR (the one of this machine's debootstrap).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
targets=("$@")
[ $# -gt 0 ] || targets=(demo test)
release=${DEBIAN_RELEASE:-bookworm}
rustup=${RUSTUP_HOME:-$HOME/.rustup}
command -v debootstrap >/dev/null || { echo "check-fresh: debootstrap is needed: apt-get install debootstrap" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "check-fresh: a chroot needs root: sudo make check-fresh" >&2; exit 1; }
[ -d "$rustup/toolchains" ] || { echo "check-fresh: $rustup has no Rust: https://rustup.rs" >&2; exit 1; }
root=$(mktemp -d)
finish() {
  umount "$root/root/.rustup" "$root/proc" 2>/dev/null || true
  umount -R "$root/dev" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap finish EXIT

say() { echo "check-fresh: $*" >&2; }
inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/root/.cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} "$@"; }

say "a fresh $release"
debootstrap --variant=minbase "$release" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$root.log" 2>&1 || { tail "$root.log" >&2; exit 1; }
rm -f "$root.log"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
mkdir -p "$root/root/.rustup" "$root/root/.cargo" "$root/usr/local/share/ca-certificates"
mount --bind "$rustup" "$root/root/.rustup"
cp -a "${CARGO_HOME:-$HOME/.cargo}/bin" "$root/root/.cargo/"
# A network with certificates of its own is not the README's concern.
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$root/usr/local/share/ca-certificates/" \;
for file in /etc/resolv.conf /etc/apt/apt.conf.d/*proxy*; do
  if [ -e "$file" ]; then install -D -m 644 "$file" "$root$file"; fi
done
inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends git curl ca-certificates make gcc g++ >/dev/null
git clone --quiet . "$root/root/goyt"

for target in "${targets[@]}"; do
  say "make $target"
  start=$SECONDS
  inside make -C /root/goyt "$target" || { say "make $target failed after $((SECONDS - start)) s"; exit 1; }
  say "make $target took $((SECONDS - start)) s"
done
