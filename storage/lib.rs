//! Durable engines: what an environment stores, and nothing about how a provider asks for it.
//!
//! Invariants:
//! - An engine speaks no HTTP and names no provider; differences between providers arrive as data.
//! - Engines fail with [`Fault`] only; `protocols` turns a fault into a provider's wire error.
//! - Engines take time from their environment's [`Clock`], never from the system.
//! - All that an environment stores lies under its one directory (its volume).

pub mod clock;
pub mod environments;
pub mod fault;
pub mod keyspace;
pub mod objects;
pub mod volumes;

pub use clock::{Clock, Timestamp};
pub use fault::{Fault, Kind};
