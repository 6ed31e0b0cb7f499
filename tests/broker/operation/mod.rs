//! What people do with a running application: looked at, asked, mended and replayed, over the real binary.

mod dashboards;
mod dead_letters;
mod demo;
mod http;
mod lag;
mod metrics;
mod replay;
