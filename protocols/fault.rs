//! Errors on their way out. Engines fail with a [`Fault`]; a dialect adds what only its wire knows
//! ([`WireError`]); the wire family renders both, in one place, as the provider would.

use std::borrow::Cow;

use http::StatusCode;
pub use storage::{Fault, Kind};

#[derive(Debug)]
pub enum Error {
    Fault(Fault),
    Wire(WireError),
}

/// An error in the provider's own words.
#[derive(Debug)]
pub struct WireError {
    pub status: StatusCode,
    pub code: Cow<'static, str>,
    /// What the client may read.
    pub message: Cow<'static, str>,
    /// Elements or fields beside code and message, in the wire's order: `("BucketName", …)`.
    pub fields: Vec<(&'static str, String)>,
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// What the log gets beside.
    pub cause: Option<anyhow::Error>,
    /// The rest of the request's body is not worth reading: close the connection after the answer.
    pub close: bool,
}

impl WireError {
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            fields: Vec::new(),
            headers: Vec::new(),
            cause: None,
            close: false,
        }
    }

    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}
