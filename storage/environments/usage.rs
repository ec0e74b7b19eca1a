//! What an environment has used: requests and bytes per service, what it stores, hours and cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUsage {
    pub requests: u64,
    /// Answers with a status of 400 or more.
    pub errors: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    pub services: BTreeMap<String, ServiceUsage>,
    pub objects: u64,
    pub stored_bytes: u64,
    /// Hours in state `ready`, by the machine's clock.
    pub hours: f64,
    /// Those hours at the rates that held while they passed.
    pub cost_cents: f64,
}
