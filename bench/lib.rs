//! Load and side-by-side comparisons.
//!
//! - Every figure is a ratio taken in one run: against `floor` (a bare HTTP server that returns the same bytes: the
//!   limit) and against peers, in interleaved rounds. CPU time per request is the figure that survives a noisy
//!   machine; requests per second are shown beside it.
//! - All servers get the same signed requests (SigV4, path style, HTTP/1.1 keep-alive, loopback). Requests are
//!   signed before the clock starts, so that the client costs the two cores it shares as little as possible.
//! - All load is bounded in count and in time, and goes to 127.0.0.1 only.

pub mod appliance;
pub mod cases;
pub mod client;
pub mod load;
pub mod machine;
pub mod md5;
pub mod peers;
pub mod process;
pub mod report;
pub mod run;
pub mod server;
pub mod signer;
pub mod targets;
pub mod tenancy;
