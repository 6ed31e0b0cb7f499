#!/usr/bin/env bash
# Makes the Debian package of a binary that is built: <target>/deb/goyt_<version>_<architecture>.deb
#   deb.sh [BINARY]    the binary with RocksDB compiled in (make release) if there is one, else target/release/goyt
# A binary that needs librocksdb.so gets it at its side, in /usr/lib/goyt; the system's libraries are left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/static/release/goyt}
[ $# -gt 0 ] || [ -x "$binary" ] || binary=$target/release/goyt
[ -x "$binary" ] || { echo "deb: $binary is not there: run 'make build' or 'make release'" >&2; exit 1; }
version=$(sed -n 's/^version = "\(.*\)"/\1/p;T;q' Cargo.toml)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/debian/goyt
package=$target/deb/goyt_${version}_$architecture.deb
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

put() { install -D -m "$1" "$2" "$root/$3"; } # mode, file, place
put 755 "$binary" usr/lib/goyt/bin/goyt
strip "$root/usr/lib/goyt/bin/goyt"
mkdir -p "$root/usr/bin" "$root/etc/goyt/topologies"
ln -s ../lib/goyt/bin/goyt "$root/usr/bin/goyt"
libraries=()
if readelf -d "$binary" | grep -q 'NEEDED.*librocksdb\.so'; then
  put 644 "$target/lib/librocksdb.so" usr/lib/goyt/lib/librocksdb.so
  strip --strip-unneeded "$root/usr/lib/goyt/lib/librocksdb.so"
  libraries=("$root/usr/lib/goyt/lib/librocksdb.so")
fi

put 644 deploy/systemd/goyt.service lib/systemd/system/goyt.service
put 644 deploy/debian/goyt.yaml etc/goyt/goyt.yaml
documents=usr/share/doc/goyt
put 644 LICENSE $documents/copyright
for file in README.md docs/*.md; do put 644 "$file" "$documents/$(basename "$file")"; done
gzip -9nc CHANGELOG.md >"$root/$documents/changelog.gz"
(cd topologies && find . -type f | sort) | while read -r file; do put 644 "topologies/$file" "$documents/examples/topologies/$file"; done
for file in deploy/prometheus/*.yml deploy/grafana/dashboards/*.json; do put 644 "$file" "$documents/examples/${file#deploy/}"; done

# What the binary says about itself: man pages and completions.
goyt=$root/usr/lib/goyt/bin/goyt
mkdir -p "$root/usr/share/man/man1" "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
  "$root/usr/share/fish/vendor_completions.d"
"$goyt" man "$root/usr/share/man/man1" >/dev/null
gzip -9n "$root"/usr/share/man/man1/*.1
"$goyt" completions bash >"$root/usr/share/bash-completion/completions/goyt"
"$goyt" completions zsh >"$root/usr/share/zsh/vendor-completions/_goyt"
"$goyt" completions fish >"$root/usr/share/fish/vendor_completions.d/goyt.fish"

printf 'Source: goyt\n\nPackage: goyt\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info -l"$root/usr/lib/goyt/lib" -e"$goyt" "${libraries[@]/#/-e}" 2>/dev/null |
  sed -n 's/^shlibs:Depends=//p')
mkdir "$root/DEBIAN"
sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@DEPENDS@/$depends/" deploy/debian/control >"$root/DEBIAN/control"
echo "Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f 1)" >>"$root/DEBIAN/control"
echo /etc/goyt/goyt.yaml >"$root/DEBIAN/conffiles"
install -m 755 deploy/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
(cd "$root" && find usr lib etc -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
mkdir -p "$target/deb"
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >&2
echo "$package"
