//! `{"error": {"code", "message", "detail"}}`: the control plane's errors, and those of requests that reach
//! no provider at all.

use std::borrow::Cow;

use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response as HttpResponse, StatusCode};
use serde_json::{Map, Value, json};

use super::{About, Wire};
use crate::body::{Response, empty, full};
use crate::fault::{Error, Fault};

pub static PLAIN_JSON: PlainJson = PlainJson;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub struct PlainJson;

impl Wire for PlainJson {
    fn error(&self, error: &Error, about: &About<'_>) -> Response {
        let shown = show(error);
        let body = json!({"error": {"code": shown.code, "message": shown.message, "detail": shown.detail}});
        let mut response =
            HttpResponse::new(if about.head { empty() } else { full(with_newline(&body, about.request_id)) });
        *response.status_mut() = shown.status;
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        if let Error::Fault(Fault::Throttled { retry_ms }) = error {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_ms.div_ceil(1000)));
        }
        if let Error::Wire(wire) = error {
            for (name, value) in &wire.headers {
                response.headers_mut().insert(name, value.clone());
            }
            if wire.close {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        response
    }

    fn code<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::Wire(wire) => Cow::Borrowed(&wire.code),
            Error::Fault(fault) => Cow::Borrowed(status_and_code(fault).1),
        }
    }

    fn stamp(&self, response: &mut Response, request_id: &str) {
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }
}

struct Shown {
    status: StatusCode,
    code: String,
    message: String,
    detail: Value,
}

fn show(error: &Error) -> Shown {
    match error {
        Error::Wire(wire) => {
            let fields: Map<String, Value> =
                wire.fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
            Shown {
                status: wire.status,
                code: wire.code.to_string(),
                message: wire.message.to_string(),
                detail: if fields.is_empty() { Value::Null } else { Value::Object(fields) },
            }
        }
        Error::Fault(fault) => {
            let (status, code) = status_and_code(fault);
            Shown { status, code: code.to_owned(), message: message(fault), detail: detail(fault) }
        }
    }
}

const fn status_and_code(fault: &Fault) -> (StatusCode, &'static str) {
    match fault {
        Fault::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
        Fault::Exists { .. } => (StatusCode::CONFLICT, "already_exists"),
        Fault::NotEmpty { .. } => (StatusCode::CONFLICT, "not_empty"),
        Fault::Invalid { .. } | Fault::PartOrder | Fault::InvalidPart { .. } => {
            (StatusCode::BAD_REQUEST, "invalid_request")
        }
        Fault::Precondition { .. } => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
        Fault::NotModified { .. } => (StatusCode::NOT_MODIFIED, "not_modified"),
        Fault::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
        Fault::RangeNotSatisfiable { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable"),
        Fault::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Fault::TooSmall { .. } => (StatusCode::BAD_REQUEST, "too_small"),
        Fault::Incomplete { .. } => (StatusCode::BAD_REQUEST, "incomplete_body"),
        Fault::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, "digest_mismatch"),
        Fault::Denied { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        Fault::Unauthenticated { .. } => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Fault::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
        Fault::Quota { .. } => (StatusCode::CONFLICT, "quota_exceeded"),
        Fault::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
        Fault::Unsupported { .. } => (StatusCode::NOT_IMPLEMENTED, "not_implemented"),
        Fault::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Fault::Corrupt { .. } | Fault::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        Fault::Disconnected => (StatusCode::BAD_REQUEST, "disconnected"),
        Fault::Timeout { .. } => (StatusCode::REQUEST_TIMEOUT, "timeout"),
    }
}

/// What the client may read: a fault's own words, but for those that tell of the appliance's insides.
fn message(fault: &Fault) -> String {
    match fault {
        Fault::Internal(_) | Fault::Corrupt { .. } => {
            "the appliance failed at this; its log says why, under this request's id".to_owned()
        }
        fault => fault.to_string(),
    }
}

fn detail(fault: &Fault) -> Value {
    match fault {
        Fault::NotFound { kind, name } | Fault::Exists { kind, name, .. } | Fault::NotEmpty { kind, name } => {
            json!({"kind": kind.name(), "name": name})
        }
        Fault::Invalid { field, .. } => json!({"field": field}),
        Fault::TooLarge { what, limit, actual } | Fault::TooSmall { what, limit, actual } => {
            json!({"what": what, "limit": limit, "actual": actual})
        }
        Fault::Throttled { retry_ms } => json!({"retry_ms": retry_ms}),
        _ => Value::Null,
    }
}

/// Compact JSON with a newline at its end, for those who read it in a terminal.
pub fn with_newline(value: &Value, request_id: &str) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            bytes
        }
        Err(error) => {
            // Values are built from strings, numbers and maps with string keys: this cannot be reached.
            tracing::error!(request = request_id, "cannot encode an answer: {error}");
            b"{}\n".to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::fault::{Kind, WireError};

    #[track_caller]
    fn check(error: impl Into<Error>, status: u16, want: &str) {
        let error = error.into();
        let about = About { request_id: "r1", resource: "/", head: false };
        let response = PLAIN_JSON.error(&error, &about);
        assert_eq!(response.status().as_u16(), status);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let body = runtime.block_on(response.into_body().collect()).expect("a body").to_bytes();
        assert_eq!(std::str::from_utf8(&body).expect("UTF-8").trim_end(), want);
        assert!(want.contains(&*PLAIN_JSON.code(&error)));
    }

    #[test]
    fn errors_in_the_control_planes_shape() {
        check(
            Fault::not_found(Kind::Environment, "env-a"),
            404,
            r#"{"error":{"code":"not_found","message":"no such environment: env-a","detail":{"kind":"environment","name":"env-a"}}}"#,
        );
        check(
            Fault::Internal(anyhow::anyhow!("secret path")),
            500,
            r#"{"error":{"code":"internal","message":"the appliance failed at this; its log says why, under this request's id","detail":null}}"#,
        );
        check(
            WireError::new(StatusCode::BAD_REQUEST, "invalid_request", "no").field("field", "name"),
            400,
            r#"{"error":{"code":"invalid_request","message":"no","detail":{"field":"name"}}}"#,
        );
        check(
            Fault::Throttled { retry_ms: 1500 },
            429,
            r#"{"error":{"code":"throttled","message":"slow down, retry in 1500 ms","detail":{"retry_ms":1500}}}"#,
        );
    }
}
