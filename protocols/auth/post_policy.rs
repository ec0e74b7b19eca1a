//! The policy of a POST form: what an upload may be, and until when.
//!
//! Specification: "Browser-based uploads using POST: POST policy". Field names and operators are compared without
//! case, values exactly; the names `expiration` and `conditions` are exact.

use std::ops::RangeInclusive;

use serde_json::Value;
use storage::Timestamp;
use thiserror::Error;

/// Largest policy document, decoded, in bytes.
pub const POLICY_BYTES_MAX: usize = 20 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The document cannot be read.
    #[error("Invalid Policy: {0}")]
    Invalid(&'static str),
    #[error("Invalid according to Policy: Policy expired.")]
    Expired,
    /// The condition, as the document spells it.
    #[error("Invalid according to Policy: Policy Condition failed: {0}")]
    ConditionFailed(String),
    #[error("Invalid according to Policy: Extra input fields: {0}")]
    ExtraField(String),
}

/// A policy document, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    expires: Timestamp,
    conditions: Vec<Condition>,
    length: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    /// In lower case, without the `$`.
    field: String,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    StartsWith,
}

impl Policy {
    /// Reads the base64 of the form's `policy` field.
    pub fn parse(base64: &str) -> Result<Self, PolicyError> {
        let text = decode(base64).ok_or(PolicyError::Invalid("Invalid base64 encoding."))?;
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::Invalid("The policy is too long."));
        }
        let document: Value = serde_json::from_slice(&text).map_err(|_| PolicyError::Invalid("Invalid JSON."))?;
        let document = document.as_object().ok_or(PolicyError::Invalid("Invalid JSON."))?;
        let expiration = document.get("expiration").ok_or(PolicyError::Invalid("Policy missing expiration."))?;
        let expires = expiration
            .as_str()
            .and_then(parse_expiration)
            .ok_or(PolicyError::Invalid("Invalid 'expiration' value."))?;
        let listed = document.get("conditions").ok_or(PolicyError::Invalid("Policy missing conditions."))?;
        let listed = listed.as_array().ok_or(PolicyError::Invalid("Invalid 'conditions' value: must be a List."))?;
        let mut policy = Self { expires, conditions: Vec::with_capacity(listed.len()), length: None };
        for condition in listed {
            policy.add(condition)?;
        }
        Ok(policy)
    }

    fn add(&mut self, condition: &Value) -> Result<(), PolicyError> {
        match condition {
            Value::Object(simple) => {
                let mut entries = simple.iter();
                let (Some((field, value)), None) = (entries.next(), entries.next()) else {
                    return Err(PolicyError::Invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                    ));
                };
                let value =
                    value.as_str().ok_or(PolicyError::Invalid("Invalid Simple-Condition: value must be a string."))?;
                self.push(field, Operator::Equal, value);
                Ok(())
            }
            Value::Array(listed) => self.add_listed(listed),
            _ => Err(PolicyError::Invalid("Invalid Condition: must be a Simple-Condition or a List.")),
        }
    }

    fn add_listed(&mut self, listed: &[Value]) -> Result<(), PolicyError> {
        let [operator, first, second] = listed else {
            return Err(PolicyError::Invalid("Invalid Condition: wrong number of arguments."));
        };
        let operator =
            operator.as_str().ok_or(PolicyError::Invalid("Invalid Condition: operation must be a string."))?;
        let operator = match operator.to_ascii_lowercase().as_str() {
            "content-length-range" => {
                let bound = |value| bound(value).ok_or(PolicyError::Invalid("Invalid content-length-range."));
                let (low, high) = (bound(first)?, bound(second)?);
                let (old_low, old_high) = self.length.unwrap_or((0, u64::MAX));
                self.length = Some((low.max(old_low), high.min(old_high)));
                return Ok(());
            }
            "eq" => Operator::Equal,
            "starts-with" => Operator::StartsWith,
            _ => return Err(PolicyError::Invalid("Invalid Condition: unknown operation.")),
        };
        let field = first.as_str().and_then(|field| field.strip_prefix('$'));
        let field = field.ok_or(PolicyError::Invalid("Invalid Condition: the field must begin with '$'."))?;
        let value = second.as_str().ok_or(PolicyError::Invalid("Invalid Condition: value must be a string."))?;
        self.push(field, operator, value);
        Ok(())
    }

    fn push(&mut self, field: &str, operator: Operator, value: &str) {
        self.conditions.push(Condition { field: field.to_ascii_lowercase(), operator, value: value.to_owned() });
    }

    /// Bytes the file may have; to be held against the file as it streams in. Empty when the bounds exclude each other.
    pub fn length(&self) -> Option<RangeInclusive<u64>> {
        self.length.map(|(low, high)| low..=high)
    }

    /// Holds the form against the policy. `fields` are all of its fields but the file, with `bucket` among them as the
    /// request's path or host named it, and the key with `${filename}` filled in.
    pub fn check(&self, fields: &[(&str, &str)], now: Timestamp) -> Result<(), PolicyError> {
        if now >= self.expires {
            return Err(PolicyError::Expired);
        }
        for condition in &self.conditions {
            if !condition.holds(fields) {
                return Err(PolicyError::ConditionFailed(condition.to_string()));
            }
        }
        for (name, _) in fields {
            if !is_exempt(name) && !self.conditions.iter().any(|c| c.field.eq_ignore_ascii_case(name)) {
                return Err(PolicyError::ExtraField((*name).to_owned()));
            }
        }
        Ok(())
    }
}

/// Fields that need no condition: the signature itself, and what nobody reads.
fn is_exempt(name: &str) -> bool {
    let exempt = ["awsaccesskeyid", "signature", "x-amz-signature", "file", "policy"];
    exempt.iter().any(|exempt| exempt.eq_ignore_ascii_case(name))
        || name.get(.."x-ignore-".len()).is_some_and(|start| start.eq_ignore_ascii_case("x-ignore-"))
}

impl Condition {
    fn holds(&self, fields: &[(&str, &str)]) -> bool {
        // A field that is not there holds no value, not even an empty one.
        let mut values = fields.iter().filter(|(name, _)| self.field.eq_ignore_ascii_case(name)).peekable();
        values.peek().is_some() && values.all(|(_, value)| self.accepts(value))
    }

    fn accepts(&self, value: &str) -> bool {
        match self.operator {
            Operator::Equal => value == self.value,
            // A list of content types holds if each of them does.
            Operator::StartsWith if self.field == "content-type" => {
                value.split(',').all(|one| one.trim_start().starts_with(&self.value))
            }
            Operator::StartsWith => value.starts_with(&self.value),
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operator = match self.operator {
            Operator::Equal => "eq",
            Operator::StartsWith => "starts-with",
        };
        let field = Value::from(format!("${}", self.field));
        write!(out, "[\"{operator}\", {field}, {}]", Value::from(self.value.as_str()))
    }
}

/// A bound may be a number or its text.
fn bound(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// `2007-12-01T12:00:00.000Z`; ISO 8601 with a time zone, nothing looser.
fn parse_expiration(text: &str) -> Option<Timestamp> {
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(moment.as_millisecond()).ok().map(Timestamp)
}

/// Standard base64, with line breaks as browsers and templates leave them.
fn decode(base64: &str) -> Option<Vec<u8>> {
    let compact: Vec<u8> = base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    data_encoding::BASE64.decode(&compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_369_353_600_000);

    /// A document, a form of `name=value` pairs, and how the outcome reads in code.
    fn check(document: &str, form: &str, want: &str) {
        let fields: Vec<(&str, &str)> = form.split(' ').filter_map(|field| field.split_once('=')).collect();
        let outcome = Policy::parse(&data_encoding::BASE64.encode(document.as_bytes()))
            .and_then(|policy| policy.check(&fields, NOW).map(|()| policy.length()));
        let got = format!("{outcome:?}");
        assert!(got.starts_with(want), "{document} {form}: {got}, not {want}");
    }

    fn check_conditions(conditions: &str, form: &str, want: &str) {
        check(&format!(r#"{{"expiration": "2013-05-24T01:00:00Z", "conditions": [{conditions}]}}"#), form, want);
    }

    #[test]
    fn documents() {
        let invalid = "Err(Invalid(";
        check("", "", invalid);
        check("[]", "", invalid);
        check("{}", "", "Err(Invalid(\"Policy missing expiration.");
        check(r#"{"EXPIRATION": "2013-05-24T01:00:00Z", "conditions": []}"#, "", invalid);
        check(r#"{"expiration": "2013-05-24T01:00:00Z"}"#, "", "Err(Invalid(\"Policy missing conditions.");
        check(r#"{"expiration": "2013-05-24T01:00:00Z", "CONDITIONS": []}"#, "", invalid);
        check(r#"{"expiration": "2013-05-24T01:00:00Z", "conditions": {}}"#, "", invalid);
        check(r#"{"expiration": "2013-05-24 01:00:00+00:00", "conditions": []}"#, "", invalid);
        check(r#"{"expiration": "2013-05-24T01:00:00", "conditions": []}"#, "", invalid);
        check(r#"{"expiration": 5, "conditions": []}"#, "", invalid);
        check(r#"{"expiration": "2013-05-24T00:00:00.001Z", "conditions": []}"#, "", "Ok");
        check(r#"{"expiration": "2013-05-24T00:00:00.000Z", "conditions": []}"#, "", "Err(Expired)");
        check(r#"{"expiration": "2013-05-24T01:00:00+02:00", "conditions": []}"#, "", "Err(Expired)");
        assert_eq!(Policy::parse("é"), Err(PolicyError::Invalid("Invalid base64 encoding.")));
        let wrapped = "eyJleHBpcmF0aW9uIjogIjIwMTMtMDUtMjRUMDE6MDA6MDBaIiwg\r\nImNvbmRpdGlvbnMiOiBbXX0=\n";
        assert!(Policy::parse(wrapped).is_ok());
    }

    #[test]
    fn conditions() {
        let invalid = "Err(Invalid(";
        let failed = "Err(ConditionFailed(";
        check_conditions("{}", "", invalid);
        check_conditions(r#"{"a": "1", "b": "2"}"#, "a=1 b=2", invalid);
        check_conditions(r#"{"success_action_status": 201}"#, "success_action_status=201", invalid);
        check_conditions(r#""eq""#, "", invalid);
        check_conditions(r#"["eq", "$key"]"#, "key=k", invalid);
        check_conditions(r#"["eq", "key", "k"]"#, "key=k", invalid);
        check_conditions(r#"["ne", "$key", "k"]"#, "key=k", invalid);
        check_conditions(r#"["content-length-range", 0]"#, "", invalid);
        check_conditions(r#"["content-length-range", -1, 0]"#, "", invalid);
        check_conditions(r#"["content-length-range", 1, "10"]"#, "", "Ok(Some(1..=10))");
        check_conditions(r#"["content-length-range", 1, 10], ["content-length-range", 5, 20]"#, "", "Ok(Some(5..=10))");
        check_conditions(r#"{"bucket": "b"}, ["eq", "$key", "k"]"#, "bucket=b key=k", "Ok(None)");
        check_conditions(r#"{"bUcKeT": "b"}, ["StArTs-WiTh", "$KeY", "f"]"#, "Bucket=b key=foo", "Ok");
        check_conditions(r#"{"bucket": "b"}"#, "bucket=B", failed);
        check_conditions(r#"{"bucket": "b"}"#, "", failed);
        check_conditions(r#"["starts-with", "$x-amz-meta-a", ""]"#, "", failed);
        check_conditions(r#"["starts-with", "$key", "user/"]"#, "key=user/a", "Ok");
        check_conditions(
            r#"["starts-with", "$key", "user/"]"#,
            "key=use",
            r#"Err(ConditionFailed("[\"starts-with\", \"$key\", \"user/\"]"#,
        );
        check_conditions(r#"["starts-with", "$Content-Type", "image/"]"#, "content-type=image/png,image/jpeg", "Ok");
        check_conditions(r#"["starts-with", "$Content-Type", "image/"]"#, "content-type=image/png,text/plain", failed);
        check_conditions(r#"["starts-with", "$key", "\\$foo"]"#, "key=\\$foo.txt", "Ok");
        check_conditions("", "x-amz-meta-a=1", "Err(ExtraField(\"x-amz-meta-a\"))");
        check_conditions("", "policy=p x-amz-signature=s x-ignore-a=1 X-Ignore-B=2 AWSAccessKeyId=k signature=s", "Ok");
        check_conditions("", "x-amz-credential=c", "Err(ExtraField");
        check_conditions(r#"{"key": "a"}"#, "key=a key=b", failed);
    }
}
