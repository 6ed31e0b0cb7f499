//! How the heap is set up that the whole program shares with librdkafka and RocksDB: jemalloc, which `main.rs` takes for it. What is written and
//! fetched is in large pieces that come and go; the C library gives each back to the system at once, or keeps more than the bound on memory
//! allows.

/// Two arenas for all threads, and what is freed goes back to the system within five seconds, so that the size of the heap follows its use,
/// while the next commits find the pages that the last ones had. The environment's `MALLOC_CONF` goes before it.
#[used]
#[unsafe(export_name = "malloc_conf")]
static CONF: Option<&'static u8> = Some(&CONF_TEXT[0]);
static CONF_TEXT: [u8; 47] = *b"narenas:2,dirty_decay_ms:5000,muzzy_decay_ms:0\0";
