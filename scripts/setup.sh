#!/usr/bin/env bash
# Brings what building and testing need, and says what it does. Does nothing, in well under a second, when all is there.
#   setup.sh build    compilers, libraries, the prebuilt RocksDB
#   setup.sh test     the same, Java and Maven for the Kafka broker of the tests, Prometheus, and Chromium
# Missing packages are installed with apt where that is possible without asking; else one line says what to install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
purpose=${1:-test}

say() { echo "setup: $*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

has_libclang() { # bindgen loads it at build time; libclang-cpp.so, a part of LLVM's packages, is another library
  local directory found
  for directory in ${LIBCLANG_PATH:+"$LIBCLANG_PATH"} /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu* /usr/lib64; do
    for found in "$directory"/libclang.so* "$directory"/libclang-[0-9]*.so*; do
      [ -e "$found" ] && return 0
    done
  done
  return 1
}
has_library() { has pkg-config && pkg-config --exists "$1"; }
has_java() { # 17 or newer: what Kafka's broker needs
  local major
  has "${JAVA_HOME:+$JAVA_HOME/bin/}java" || return 1
  major=$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p;q')
  [ "${major:-0}" -ge 17 ]
}
java_package() { # the first that this distribution has
  local name
  for name in openjdk-17-jre-headless openjdk-21-jre-headless openjdk-25-jre-headless; do
    if apt-cache show "$name" >/dev/null 2>&1; then echo "$name"; return; fi
  done
  echo default-jre-headless
}

required=() optional=()
has cc || required+=(gcc)
has c++ || required+=(g++)
has pkg-config || required+=(pkg-config)
has_libclang || required+=(libclang-dev)
has_library openssl || required+=(libssl-dev)
has_library zlib || required+=(zlib1g-dev)
# The tests start a broker of their own only when none is given. For building, Maven only saves time.
java=optional
if [ "$purpose" = test ] && [ -z "${KAFKA_BOOTSTRAP_SERVERS:-}" ]; then java=required; fi
if ! has_java; then declare -n list=$java; list+=(java); fi
if ! has mvn; then declare -n list=$java; list+=(maven); fi
# promtool judges what /metrics answers, and the rules in deploy/; a test runs a Prometheus.
if [ "$purpose" = test ]; then has promtool || required+=(prometheus); fi
# The page is tested as a browser shows it.
if [ "$purpose" = test ]; then has chromium || has chromium-browser || has google-chrome || required+=(chromium); fi

may_install() { has apt-get && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
wanted=("${required[@]}" "${optional[@]}")
if [ ${#wanted[@]} -gt 0 ]; then
  if may_install; then
    say "reading apt's package lists"
    as_root apt-get update -qq >&2 || say "apt-get update failed; trying with the lists at hand"
    wanted=("${wanted[@]/#java/$(java_package)}")
    say "installing ${wanted[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >&2
  elif [ ${#required[@]} -gt 0 ]; then
    say "missing, and not to be installed without root: sudo apt-get install -y ${required[*]/#java/openjdk-17-jre-headless}"
    exit 1
  fi
fi

rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rust_found=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p') || true
if [ -z "$rust_found" ]; then
  say "Rust is missing: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  exit 1
fi
if [ "$(printf '%s\n' "$rust_needed" "$rust_found" | sort -V | head -n 1)" != "$rust_needed" ]; then
  say "Rust $rust_needed or newer is needed, $rust_found is here: rustup update stable"
  exit 1
fi

scripts/rocksdb.sh
