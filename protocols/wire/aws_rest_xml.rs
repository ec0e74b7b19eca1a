//! AWS REST/XML errors (S3 and what speaks its dialect): one `Error` document, no body for HEAD and 304.
//!
//! Element order as S3 writes it: Code, Message, the error's own fields, Resource, RequestId, HostId.

use std::borrow::Cow;

use data_encoding::BASE64;
use http::header::{CONNECTION, CONTENT_TYPE, SERVER};
use http::{HeaderName, HeaderValue, StatusCode};

use super::xml::Writer;
use super::{About, Wire};
use crate::body::{Response, empty, full};
use crate::fault::{Error, Fault, WireError};

/// One provider's way of it.
pub struct AwsRestXml {
    pub server: &'static str,
    pub request_id: HeaderName,
    /// Header of the second, longer id; providers without one leave `HostId` out too.
    pub host_id: Option<HeaderName>,
    /// The dialect's table of faults.
    pub render: fn(&Fault) -> WireError,
}

/// Bytes of an extended request id before base64.
const HOST_ID_BYTES: usize = 56;

impl Wire for AwsRestXml {
    fn error(&self, error: &Error, about: &About<'_>) -> Response {
        let rendered;
        let error = match error {
            Error::Wire(error) => error,
            Error::Fault(fault) => {
                rendered = (self.render)(fault);
                &rendered
            }
        };
        let bodiless = about.head || error.status == StatusCode::NOT_MODIFIED;
        let body = if bodiless { empty() } else { full(self.document(error, about)) };
        let mut response = http::Response::new(body);
        *response.status_mut() = error.status;
        let headers = response.headers_mut();
        if error.status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        if error.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in &error.headers {
            headers.insert(name, value.clone());
        }
        response
    }

    fn code<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::Wire(error) => Cow::Borrowed(error.code.as_ref()),
            Error::Fault(fault) => (self.render)(fault).code,
        }
    }

    fn stamp(&self, response: &mut Response, request_id: &str) {
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static(self.server));
        if let Ok(value) = HeaderValue::from_str(request_id) {
            headers.insert(self.request_id.clone(), value);
        }
        if let Some(name) = &self.host_id
            && let Ok(value) = HeaderValue::try_from(host_id(request_id))
        {
            headers.insert(name.clone(), value);
        }
    }
}

impl AwsRestXml {
    fn document(&self, error: &WireError, about: &About<'_>) -> String {
        let mut xml = Writer::new("Error", None);
        xml.text("Code", &error.code);
        xml.text("Message", &error.message);
        for (name, value) in &error.fields {
            xml.text(name, value);
        }
        xml.text("Resource", about.resource);
        xml.text("RequestId", about.request_id);
        if self.host_id.is_some() {
            xml.text("HostId", &host_id(about.request_id));
        }
        xml.finish("Error")
    }
}

/// The second id says nothing that the first doesn't: it is derived from it.
fn host_id(request_id: &str) -> String {
    let mut state = request_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut bytes = [0; HOST_ID_BYTES];
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    BASE64.encode(&bytes)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn wire() -> AwsRestXml {
        AwsRestXml {
            server: "TestServer",
            request_id: HeaderName::from_static("x-amz-request-id"),
            host_id: Some(HeaderName::from_static("x-amz-id-2")),
            render: |_| WireError::new(StatusCode::NOT_FOUND, "Rendered", "by the dialect"),
        }
    }

    async fn check(error: Error, head: bool, status: u16, want: &str) {
        let about = About { request_id: "R1", resource: "/b/k", head };
        let response = wire().error(&error, &about);
        assert_eq!(response.status().as_u16(), status);
        let body = response.into_body().collect().await.expect("in memory").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("utf-8").replace(&host_id("R1"), "H");
        assert_eq!(body, want);
    }

    #[tokio::test]
    async fn documents() {
        check(
            WireError::new(StatusCode::FORBIDDEN, "Code", "a < b").field("Key", "k&").into(),
            false,
            403,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>Code</Code><Message>a &lt; b</Message><Key>k&amp;</Key><Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>H</HostId></Error>",
        )
        .await;
        check(WireError::new(StatusCode::FORBIDDEN, "Code", "text").into(), true, 403, "").await;
        check(WireError::new(StatusCode::NOT_MODIFIED, "NotModified", "").into(), false, 304, "").await;
        check(
            Fault::Disconnected.into(),
            false,
            404,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>Rendered</Code><Message>by the dialect</Message><Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>H</HostId></Error>",
        )
        .await;
    }

    #[test]
    fn stamps() {
        let mut response = http::Response::new(empty());
        wire().stamp(&mut response, "R1");
        assert_eq!(response.headers()["x-amz-request-id"], "R1");
        assert_eq!(response.headers()["server"], "TestServer");
        assert_eq!(response.headers()["x-amz-id-2"].len(), 76);
    }
}
