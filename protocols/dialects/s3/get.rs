//! GetObject and HeadObject: conditions, ranges, single parts, header overrides, checksums.

use std::ops::Range;

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, EXPIRES, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE,
};
use storage::objects::{ObjectInfo, ObjectPart};

use super::conditions;
use super::context::Context;
use super::error::{Code, invalid_argument, range_not_satisfiable};
use super::operation::Op;
use super::{checksums, dates, metadata, reply};
use crate::body::{Response, empty};
use crate::fault::{Error, WireError};

const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");

/// Query parameters that replace a header of the answer.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-content-type", CONTENT_TYPE),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-expires", EXPIRES),
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
];

pub async fn get(cx: &Context<'_>) -> Result<Response, Error> {
    cx.check_version()?;
    let bucket = cx.any_bucket()?;
    let object = cx.readable_object(&bucket, &cx.key()?)?;
    conditions::of_read(&cx.parts.headers).check_read(&object)?;
    let slice = slice(cx, &object).await?;

    let body = if cx.op == Op::HeadObject {
        empty()
    } else {
        reply::object(cx.store.clone(), cx.store.read(&object, slice.range.clone())?)
    };
    let mut response = http::Response::new(body);
    if slice.partial {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    headers.reserve(16);
    metadata::to_headers(&object, cx.dialect, headers);
    headers.insert(CONTENT_LENGTH, (slice.range.end - slice.range.start).into());
    if slice.partial && object.size > 0 {
        headers.insert(CONTENT_RANGE, content_range(&slice.range, object.size));
    }
    if let Some(parts) = slice.parts {
        headers.insert(PARTS_COUNT, parts.into());
    }
    if checksums::wanted_by_reader(&cx.parts.headers) {
        checksum(&object, &slice, headers);
    }
    overrides(cx, headers)?;
    Ok(response)
}

/// Which bytes of the object are answered.
struct Slice {
    range: Range<u64>,
    /// 206: the client asked for a range or a part.
    partial: bool,
    /// Parts of the object, where one was asked for by its number.
    parts: Option<u32>,
    part: Option<ObjectPart>,
}

async fn slice(cx: &Context<'_>, object: &ObjectInfo) -> Result<Slice, Error> {
    let headers = &cx.parts.headers;
    let number = cx.query().filled("partNumber");
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    if let Some(number) = number {
        if asked.is_some() {
            return Err(Code::InvalidRequest
                .say("Cannot specify both Range header and partNumber query parameter")
                .into());
        }
        return part(cx, object, &number).await;
    }
    let whole = Slice { range: 0..object.size, partial: false, parts: None, part: None };
    let Some(asked) = asked.filter(|_| range_still_holds(headers, object)) else { return Ok(whole) };
    match parse_range(asked, object.size) {
        Asked::Whole => Ok(whole),
        Asked::Bytes(range) => Ok(Slice { range, partial: true, ..whole }),
        Asked::Beyond => Err(range_not_satisfiable(Some(asked), object.size).into()),
    }
}

async fn part(cx: &Context<'_>, object: &ObjectInfo, number: &str) -> Result<Slice, Error> {
    let parsed = number.parse().ok().filter(|number| (1..=storage::objects::PARTS_MAX).contains(number));
    let Some(number) = parsed else {
        let text = "Part number must be an integer between 1 and 10000, inclusive";
        return Err(invalid_argument(text, "partNumber", number).into());
    };
    if object.part_count == 0 {
        if number != 1 {
            return Err(no_such_part(number, 1).into());
        }
        return Ok(Slice { range: 0..object.size, partial: true, parts: None, part: None });
    }
    let mut start = 0;
    // Parts keep the order of their numbers; a number counts places here, as S3 has it.
    for (at, part) in (1_u32..).zip(cx.store.object_parts(object).await?) {
        if at == number {
            let range = start..start + part.size;
            return Ok(Slice { range, partial: true, parts: Some(object.part_count), part: Some(part) });
        }
        start += part.size;
    }
    Err(no_such_part(number, object.part_count).into())
}

fn no_such_part(asked: u32, actual: u32) -> WireError {
    Code::InvalidPartNumber
        .error()
        .field("PartNumberRequested", asked.to_string())
        .field("ActualPartCount", actual.to_string())
}

/// `If-Range`: the range counts only while the object is the one the client has a piece of.
fn range_still_holds(headers: &HeaderMap, object: &ObjectInfo) -> bool {
    let Some(value) = headers.get(IF_RANGE).and_then(|value| value.to_str().ok()) else { return true };
    match dates::parse_http(value) {
        Some(at) => object.modified.seconds() <= at.seconds(),
        None => conditions::unquoted(value) == object.etag,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// No range that S3 understands: the whole object.
    Whole,
    Bytes(Range<u64>),
    Beyond,
}

/// One byte range. Several, other units and nonsense are as if nothing was asked.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some(spec) = text.trim().strip_prefix("bytes=") else { return Asked::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Asked::Whole };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let Some(suffix) = offset(last) else { return Asked::Whole };
        if suffix == 0 || size == 0 {
            return Asked::Beyond;
        }
        return Asked::Bytes(size.saturating_sub(suffix)..size);
    }
    let Some(first) = offset(first) else { return Asked::Whole };
    let end = if last.is_empty() {
        size
    } else {
        let Some(last) = offset(last) else { return Asked::Whole };
        if last < first {
            return Asked::Whole;
        }
        last.saturating_add(1).min(size)
    };
    if first >= size { Asked::Beyond } else { Asked::Bytes(first..end) }
}

/// Digits and nothing else; more of them than a number can hold lie beyond every object.
fn offset(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn content_range(range: &Range<u64>, size: u64) -> HeaderValue {
    let last = range.end.saturating_sub(1);
    HeaderValue::try_from(format!("bytes {}-{last}/{size}", range.start)).unwrap_or(HeaderValue::from_static(""))
}

/// A part's own checksum for a part, the object's for the whole; a range has none.
fn checksum(object: &ObjectInfo, slice: &Slice, headers: &mut HeaderMap) {
    if let Some(part) = &slice.part {
        if let Some(checksum) = &part.checksum {
            checksums::to_headers(checksum, headers, false);
        }
        return;
    }
    if slice.range == (0..object.size)
        && let Some(checksum) = &object.checksum
    {
        checksums::to_headers(checksum, headers, true);
    }
}

fn overrides(cx: &Context<'_>, headers: &mut HeaderMap) -> Result<(), WireError> {
    let query = cx.query();
    if query.is_empty() {
        return Ok(());
    }
    for (parameter, name) in &OVERRIDES {
        let Some(value) = query.get(parameter) else { continue };
        if !cx.sender.is_known() {
            return Err(Code::InvalidRequest
                .say("Request specific response headers cannot be used for anonymous GET requests."));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid_argument("Header value cannot be represented", parameter, ""))?;
        headers.insert(name.clone(), value);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use super::*;

    fn check(text: &str, size: u64, want: Asked) {
        assert_eq!(parse_range(text, size), want, "{text} of {size}");
    }

    #[test]
    fn ranges() {
        check("bytes=0-4", 10, Asked::Bytes(0..5));
        check("bytes=5-", 10, Asked::Bytes(5..10));
        check("bytes=-3", 10, Asked::Bytes(7..10));
        check("bytes=-30", 10, Asked::Bytes(0..10));
        check("bytes=0-100", 10, Asked::Bytes(0..10));
        check("bytes=9-9", 10, Asked::Bytes(9..10));
        check("bytes=10-", 10, Asked::Beyond);
        check("bytes=10-20", 10, Asked::Beyond);
        check("bytes=-0", 10, Asked::Beyond);
        check("bytes=0-", 0, Asked::Beyond);
        check("bytes=-5", 0, Asked::Beyond);
        check("bytes=5-4", 10, Asked::Whole);
        check("bytes=0-1,3-4", 10, Asked::Whole);
        check("items=0-1", 10, Asked::Whole);
        check("bytes=a-b", 10, Asked::Whole);
        check("bytes=", 10, Asked::Whole);
        check("bytes=0-18446744073709551615", 10, Asked::Bytes(0..10));
        check("bytes=18446744073709551616-", 10, Asked::Beyond);
        check("bytes=0-99999999999999999999", 10, Asked::Bytes(0..10));
        check("bytes=-99999999999999999999", 10, Asked::Bytes(0..10));
        check("bytes=+0-4", 10, Asked::Whole);
    }

    #[test]
    fn content_ranges() {
        assert_eq!(content_range(&(2..5), 10), "bytes 2-4/10");
    }
}
