//! Wire families: how a provider writes its errors and request ids. One module per family.

pub mod aws_chunked;
pub mod aws_rest_xml;
pub mod plain_json;
pub mod xml;

use crate::body::Response;
use crate::fault::Error;

/// What the rendering of an error may say about its request.
pub struct About<'a> {
    pub request_id: &'a str,
    /// The resource as the client named it (path without routing prefix).
    pub resource: &'a str,
    pub head: bool,
}

pub trait Wire: Send + Sync {
    /// The one place where this family's faults become replies.
    fn error(&self, error: &Error, about: &About<'_>) -> Response;
    /// The code the log and the request list show.
    fn code<'a>(&self, error: &'a Error) -> std::borrow::Cow<'a, str>;
    /// Puts the request id into the provider's own header.
    fn stamp(&self, response: &mut Response, request_id: &str);
}
