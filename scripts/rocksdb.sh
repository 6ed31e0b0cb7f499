#!/usr/bin/env bash
# Puts RocksDB's own prebuilt library where the build finds it: compiling it takes about 27 minutes on two cores.
# The project publishes it in the Java package of the same version, and it exports the whole C interface.
#   rocksdb.sh    fetches it by Maven (cached in ~/.cache/goyt), checks its sum, copies it to <target>/lib/librocksdb.so
# Without Maven, or on another processor, it leaves the library out, says so, and the Makefile has RocksDB compiled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=11.8.1 # of librocksdb-sys in Cargo.lock: the two go together
case $(uname -m) in
  x86_64) file=librocksdbjni-linux64.so sum=265c656af5c6502cb8d71db1a74858509f706cc47f1a5b6f603c736d11ce677d ;;
  aarch64) file=librocksdbjni-linux-aarch64.so sum=7b2d0808c6afae32db39f11cb61cbefffcf460895b1c64ee6193ba02d6bdd23a ;;
  *) file='' sum='' ;;
esac
cache=${XDG_CACHE_HOME:-$HOME/.cache}/goyt/rocksdb-$version
library=${CARGO_TARGET_DIR:-target}/lib/librocksdb.so
unpack=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack

say() { echo "rocksdb: $*" >&2; }
is_right() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$sum" ]; }
compile_instead() { say "$1, so RocksDB will be compiled: about 27 minutes on two cores, once"; exit 0; }

case ${ROCKSDB_COMPILE:-} in 1 | [tT][rR][uU][eE]) exit 0 ;; esac
# A stamp saves the sum of 17 MB on each call.
[ -f "$library" ] && [ "$library.checked" -nt "$library" ] && [ "$(cat "$library.checked")" = "$sum" ] && exit 0
[ -n "$file" ] || compile_instead "there is no prebuilt RocksDB for $(uname -m)"

if ! is_right "$cache/$file"; then
  command -v mvn >/dev/null || compile_instead "Maven is not installed"
  say "fetching the prebuilt RocksDB $version (a package of 90 MB) by Maven"
  mkdir -p "$cache"
  # The plugin leaves a folder `${project.basedir}` where it runs without a project: in the cache it is out of the way.
  (cd "$cache" && mvn -B -q -ntp -Dstyle.color=never "$unpack" -Dartifact="org.rocksdb:rocksdbjni:$version" \
    -Dmdep.unpack.includes="$file" -DoutputDirectory="$cache" >&2) || compile_instead "Maven could not fetch it"
  rm -rf "$cache/\${project.basedir}"
  is_right "$cache/$file" || { say "$cache/$file is not the file that was published (sha256 differs): delete it and try again"; exit 1; }
fi
mkdir -p "$(dirname "$library")"
cp "$cache/$file" "$library.new"
mv "$library.new" "$library"
echo "$sum" >"$library.checked"
touch "$library.checked"
say "prebuilt RocksDB $version is in $library"
