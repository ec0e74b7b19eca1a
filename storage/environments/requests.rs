//! The last requests that reached an environment, for `GET /environments/{id}/requests`.

/// One request, as `GET /environments/{id}/requests` shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RequestRecord {
    pub at_ms: u64,
    pub request_id: String,
    pub service: &'static str,
    pub operation: &'static str,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_us: u64,
    /// The wire's error code, where the answer was an error.
    pub error: Option<String>,
}

/// A request and its place in the log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LoggedRequest {
    /// Grows by one with each request; hand the last one back as `after`.
    pub sequence: u64,
    #[serde(flatten)]
    pub request: RequestRecord,
}

#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct RequestPage {
    /// Oldest first.
    pub requests: Vec<LoggedRequest>,
    /// Hand it back as `after` to get what came since.
    pub next: u64,
}
