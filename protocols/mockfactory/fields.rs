//! Reading what a request says: a JSON object's fields and a query's parameters, each taken by name, none
//! left over. A value that does not fit is an error that names its field.

#![allow(clippy::needless_pass_by_value)] // every reader has the same shape, and most keep the value

use http::StatusCode;
use serde_json::{Map, Value};

use super::durations;
use crate::fault::{Error, WireError};

/// Characters in the name of an environment, a token or an account.
pub const NAME_CHARS_MAX: usize = 63;

pub fn invalid(field: &'static str, why: impl std::fmt::Display) -> Error {
    WireError::new(StatusCode::BAD_REQUEST, "invalid_request", format!("{field}: {why}")).field("field", field).into()
}

/// The fields of a JSON object that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// No bytes at all are an empty object.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => {
                Err(WireError::new(StatusCode::BAD_REQUEST, "invalid_request", "the body must be a JSON object").into())
            }
            Err(error) => {
                let message = format!("the body is not JSON: {error}");
                Err(WireError::new(StatusCode::BAD_REQUEST, "invalid_json", message).into())
            }
        }
    }

    /// `null` is a value: it unsets.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        self.0.shift_remove(name)
    }

    /// A field that may be left out or `null`.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'static str, Value) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.take(name).filter(|value| !value.is_null()).map(|value| read(name, value)).transpose()
    }

    /// A field that may be left out, or unset with `null`.
    #[allow(clippy::option_option)]
    pub fn patched<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'static str, Value) -> Result<T, Error>,
    ) -> Result<Option<Option<T>>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => read(name, value).map(|value| Some(Some(value))),
        }
    }

    /// All known fields are taken: what is left is an error.
    pub fn finish(&mut self) -> Result<(), Error> {
        let Some(name) = self.0.keys().next() else { return Ok(()) };
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        let error = WireError::new(StatusCode::BAD_REQUEST, "invalid_request", format!("unknown field: {name}"));
        Err(error.field("field", name).into())
    }
}

pub fn text(field: &'static str, value: Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(invalid(field, "must be a string")),
    }
}

pub fn name(field: &'static str, value: Value) -> Result<String, Error> {
    let name = text(field, value)?;
    let chars = name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) {
        return Err(invalid(field, format_args!("must have 1 to {NAME_CHARS_MAX} characters, not {chars}")));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err(invalid(field, "must hold no control characters, nor begin or end with a space"));
    }
    Ok(name)
}

pub fn texts(field: &'static str, value: Value) -> Result<Vec<String>, Error> {
    let Value::Array(values) = value else { return Err(invalid(field, "must be an array of strings")) };
    values.into_iter().map(|value| text(field, value)).collect()
}

/// Seconds as a number, or text such as `2h`; in milliseconds.
pub fn duration_ms(field: &'static str, value: Value) -> Result<u64, Error> {
    let parsed = match &value {
        Value::String(text) => durations::parse_ms(text),
        Value::Number(number) => number.as_u64().and_then(durations::from_seconds),
        _ => None,
    };
    parsed.ok_or_else(|| invalid(field, "must be a number of seconds above 0, or text such as \"2h\", up to ten years"))
}

/// An RFC 3339 instant, in milliseconds since the epoch.
pub fn instant_ms(field: &'static str, value: Value) -> Result<u64, Error> {
    let parsed = match &value {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        _ => None,
    };
    parsed
        .and_then(|ms| u64::try_from(ms).ok())
        .ok_or_else(|| invalid(field, "must be an RFC 3339 time such as \"2030-01-31T12:00:00Z\""))
}

/// One of a few words.
pub fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&'static str, Value) -> Result<T, Error> {
    move |field, value| {
        let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            invalid(field, format_args!("must be one of: {}", known.join(", ")))
        })
    }
}

/// A query's parameters as the fields they stand for; each may be given once.
pub fn query(query: Option<&str>) -> Result<Fields, Error> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if fields.insert(name.to_string(), Value::String(value.into_owned())).is_some() {
            let message = format!("parameter given twice: {name}");
            return Err(WireError::new(StatusCode::BAD_REQUEST, "invalid_request", message).into());
        }
    }
    Ok(Fields(fields))
}

/// A query's number.
pub fn number(field: &'static str, value: Value) -> Result<u64, Error> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| invalid(field, "must be a whole number"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::Wire;
    use crate::wire::plain_json::PLAIN_JSON;

    fn said(error: &Error) -> String {
        match error {
            Error::Wire(wire) => format!("{} {}", PLAIN_JSON.code(error), wire.message),
            Error::Fault(fault) => fault.to_string(),
        }
    }

    #[track_caller]
    fn check_name(value: Value, want: Result<&str, &str>) {
        let got = name("name", value);
        match (&got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(error), Err(want)) => assert!(said(error).contains(want), "{}", said(error)),
            _ => panic!("{got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn names() {
        check_name(json!("a"), Ok("a"));
        check_name(json!("Ünïcode name 1.0"), Ok("Ünïcode name 1.0"));
        check_name(json!("x".repeat(63)), Ok(&"x".repeat(63)));
        check_name(json!("é".repeat(63)), Ok(&"é".repeat(63)));
        check_name(json!("x".repeat(64)), Err("1 to 63"));
        check_name(json!(""), Err("1 to 63"));
        check_name(json!(" a"), Err("begin or end"));
        check_name(json!("a\nb"), Err("control"));
        check_name(json!(1), Err("must be a string"));
    }

    #[track_caller]
    fn check_body(body: &str, want: &str) {
        let got = Fields::parse(body.as_bytes()).and_then(|mut fields| {
            fields.optional("known", text)?;
            fields.finish()
        });
        match got {
            Ok(()) => assert_eq!(want, "", "{body}"),
            Err(error) => assert!(said(&error).contains(want) && !want.is_empty(), "{body}: {}", said(&error)),
        }
    }

    #[test]
    fn bodies() {
        check_body("", "");
        check_body("{}", "");
        check_body(r#"{"known": "x"}"#, "");
        check_body(r#"{"known": null}"#, "");
        check_body(r#"{"known": 1}"#, "known: must be a string");
        check_body(r#"{"other": 1}"#, "unknown field: other");
        check_body("[]", "invalid_request the body must be a JSON object");
        check_body("{", "invalid_json");
        check_body(&"[".repeat(100_000), "invalid_json");
        check_body("\u{0}", "invalid_json");
    }

    #[test]
    fn durations_and_instants() {
        for (value, want) in [
            (json!(90), Some(90_000)),
            (json!("2h"), Some(7_200_000)),
            (json!(0), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!(true), None),
            (json!(u64::MAX), None),
        ] {
            assert_eq!(duration_ms("d", value.clone()).ok(), want, "{value}");
        }
        for (value, want) in [
            (json!("2030-01-31T12:00:00Z"), Some(1_896_091_200_000)),
            (json!("2030-01-31T13:00:00+01:00"), Some(1_896_091_200_000)),
            (json!("1960-01-01T00:00:00Z"), None),
            (json!("tomorrow"), None),
            (json!(5), None),
        ] {
            assert_eq!(instant_ms("t", value.clone()).ok(), want, "{value}");
        }
    }
}
