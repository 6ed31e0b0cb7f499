//! Lets the binary and the tests find the prebuilt RocksDB beside them.
//!
//! `make setup` puts the shared library into `<target>/lib`. The binary looks for it from `<target>/release`, as an installed one
//! does from `bin`; tests look for it from `<target>/release/deps`. A compiled RocksDB is linked in, and nothing is looked for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ROCKSDB_COMPILE");
    let compiled = std::env::var("ROCKSDB_COMPILE").is_ok_and(|it| it == "1" || it.eq_ignore_ascii_case("true"));
    if !compiled {
        for place in ["$ORIGIN/../lib", "$ORIGIN/../../lib"] {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{place}");
        }
    }
}
