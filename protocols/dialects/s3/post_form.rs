//! POST of a form: uploads from a browser, allowed by a signed policy.
//!
//! The form's fields become the headers that a PUT would carry, and the rest is a PUT's way. The file comes
//! last and is streamed; fields behind it are not looked at.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use storage::environments::{AuthMode, Environment};
use storage::objects::{Conditions, Key, ObjectInfo, PutSpec, StoredBody};

use super::authenticate::{self, PayloadClaim, Sender};
use super::checksums::{self, Declared};
use super::context::{Access, Context};
use super::dialect::Dialect;
use super::error::{Code, invalid_argument, precondition_failed, too_large};
use super::form_data::{FormData, Head, boundary};
use super::intake::PUT_BYTES_MAX;
use super::operation::Op;
use super::target::Target;
use super::{cors, metadata, reply, tagging};
use crate::auth::post_form::FormClaim;
use crate::auth::post_policy::{Policy, PolicyError};
use crate::auth::{PayloadHash, VerifyContext};
use crate::body::Response;
use crate::fault::{Error, Fault, WireError};
use crate::service::Call;
use crate::wire::xml::Writer;

/// Most bytes of all fields before the file (S3: 20 KB).
const FIELDS_BYTES_MAX: usize = 20 * 1024;
/// In a form's key it stands for the name of the file.
const FILENAME: &str = "${filename}";

/// What stays as it is in the query of a redirect.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Fields that say nothing about the object itself.
const NOT_HEADERS: [&str; 12] = [
    "key",
    "policy",
    "signature",
    "awsaccesskeyid",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-algorithm",
    "x-amz-date",
    "success_action_status",
    "success_action_redirect",
    "redirect",
    "submit",
];

pub async fn post(dialect: &'static Dialect, call: Call<'_>) -> Result<Response, Error> {
    let Call { cloud, service, environment, record, parts, body, prefix, front, bare, https, trace, .. } = call;
    let target = Target::parse(dialect, &parts.uri.path()[prefix..], front.as_deref())?;
    let Some(bucket) = target.bucket.as_deref() else {
        return Err(Code::MethodNotAllowed.error().field("Method", "POST").field("ResourceType", "SERVICE").into());
    };
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = boundary(content_type)
        .ok_or_else(|| precondition_failed("Bucket POST must be of the enclosure-type multipart/form-data"))?;
    let mut form = FormData::new(body, &boundary);
    let fields = Fields::read(&mut form).await?;

    // At the bare endpoint only the form knows whose it is.
    let claim = FormClaim::from_fields(|name| fields.get(name)).map_err(|error| authenticate::refuse(&error))?;
    let named = claim.as_ref().filter(|_| bare).and_then(|claim| cloud.environments.by_access_key(claim.access_key));
    let (environment, record) = match named {
        Some((environment, _)) => {
            let record = environment.record();
            (environment, record)
        }
        None => (environment, record),
    };
    if !record.services.iter().any(|id| id == service.id) {
        return Err(Code::AccessDenied.error().into());
    }
    let sender = match &claim {
        None => authenticate::unsigned(dialect, &environment, &record),
        Some(claim) => prove(dialect, &environment, record.auth, claim)?,
    };
    trace.access_key = sender.access_key().map(str::to_owned);
    let key_text = fields.key()?;
    let policy =
        claim.as_ref().map(|claim| check_policy(claim, &fields, bucket, &key_text, &environment)).transpose()?;

    let object_parts = fields.as_put(&parts);
    let target = Target { key: Some(key_text.into()), ..target.clone() };
    let cx = Context {
        dialect,
        environment: &environment,
        record: &record,
        store: environment.objects().await?,
        parts: &object_parts,
        target: &target,
        sender,
        op: Op::PostObject,
        payload: PayloadClaim { hash: PayloadHash::Unsigned, chunks: None },
        prefix,
        https,
    };
    let result = store(&cx, &mut form, &fields, policy.as_ref()).await;
    cors::decorate(&cx, result)
}

fn prove(
    dialect: &Dialect,
    environment: &Arc<Environment>,
    mode: AuthMode,
    claim: &FormClaim<'_>,
) -> Result<Sender, WireError> {
    if mode == AuthMode::Relaxed {
        return Ok(authenticate::relaxed(dialect, environment, &environment.record(), claim.access_key, None));
    }
    let key = authenticate::key_of(dialect, environment, claim.access_key)?;
    let context = VerifyContext {
        secret: &key.secret,
        now: environment.now(),
        clock_ahead_ms: environment.clock().offset_ms(),
        rules: &authenticate::rules(dialect),
        body_sha256: None,
        bucket_in_host: None,
        prefix: 0,
    };
    claim.verify(&context).map_err(|error| authenticate::refuse(&error))?;
    Ok(Sender::of_key(key, None))
}

fn check_policy(
    claim: &FormClaim<'_>,
    fields: &Fields,
    bucket: &str,
    key: &str,
    environment: &Environment,
) -> Result<Policy, WireError> {
    let policy = Policy::parse(claim.policy).map_err(|error| policy_error(&error))?;
    let mut shown: Vec<(&str, &str)> = fields
        .all
        .iter()
        .map(|(name, value)| (name.as_str(), if name == "key" { key } else { value.as_str() }))
        .filter(|(name, _)| *name != "bucket")
        .collect();
    shown.push(("bucket", bucket));
    policy.check(&shown, environment.now()).map_err(|error| policy_error(&error))?;
    Ok(policy)
}

fn policy_error(error: &PolicyError) -> WireError {
    let text = error.to_string();
    match error {
        PolicyError::Invalid(_) => Code::InvalidPolicyDocument.say(text),
        PolicyError::Expired | PolicyError::ConditionFailed(_) | PolicyError::ExtraField(_) => {
            Code::AccessDenied.say(text)
        }
    }
}

async fn store(
    cx: &Context<'_>,
    form: &mut FormData,
    fields: &Fields,
    policy: Option<&Policy>,
) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let key = cx.key()?;
    let attributes = metadata::from_headers(cx)?;
    let tags = match fields.get("tagging") {
        Some(document) => tagging::of_object_document(document.as_bytes())?,
        None => tagging::from_header(cx)?,
    };
    let declared = Declared::from_headers(&cx.parts.headers, cx.dialect)?;
    let algorithm = declared.algorithm.or(cx.dialect.default_checksum);
    let allowed = policy.and_then(Policy::length).unwrap_or(0..=PUT_BYTES_MAX);
    let mut writer = cx.store.writer(None, declared.wanted(algorithm))?;
    while let Some(piece) = form.piece().await? {
        let length = writer.written() + piece.len() as u64;
        let most = (*allowed.end()).min(PUT_BYTES_MAX);
        if length > most {
            let mut error = too_large(length, most);
            error.close = true;
            return Err(error.into());
        }
        writer.write(piece).await?;
    }
    if writer.written() < *allowed.start() {
        return Err(Code::EntityTooSmall
            .error()
            .field("ProposedSize", writer.written().to_string())
            .field("MinSizeAllowed", allowed.start().to_string())
            .into());
    }
    let stored: StoredBody = writer.seal().await?;
    declared.verify(stored.digests())?;
    // The rest of the form says nothing, but only a whole form is one.
    while form.next_part().await?.is_some() {}
    let checksum = checksums::kept(stored.digests(), algorithm);
    let spec = PutSpec { owner: bucket.owner.clone(), attributes, tags, checksum, conditions: Conditions::default() };
    let object = cx.store.put(&bucket, &key, stored, spec).await?;
    answer(cx, fields, &bucket.name, &key, &object)
}

/// Redirects, or answers with the status that the form asked for.
fn answer(cx: &Context<'_>, fields: &Fields, bucket: &str, key: &Key, object: &ObjectInfo) -> Result<Response, Error> {
    let location = cx.location(bucket, key.as_str());
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    let mut response = match (redirect.filter(|to| is_absolute(to)), fields.get("success_action_status")) {
        (Some(to), _) => {
            let mut response = reply::status(StatusCode::SEE_OTHER);
            let encode = |text: &str| utf8_percent_encode(text, IN_QUERY).to_string();
            let joint = if to.contains('?') { '&' } else { '?' };
            let etag = encode(&format!("\"{}\"", object.etag));
            let to = format!("{to}{joint}bucket={}&key={}&etag={etag}", encode(bucket), encode(key.as_str()));
            let value = HeaderValue::try_from(to)
                .map_err(|_| invalid_argument("Invalid redirect", "success_action_redirect", ""))?;
            response.headers_mut().insert(LOCATION, value);
            response
        }
        (None, Some("200")) => reply::ok(),
        (None, Some("201")) => {
            let mut xml = Writer::new("PostResponse", None);
            xml.text("Location", &location);
            xml.text("Bucket", bucket);
            xml.text("Key", key.as_str());
            xml.etag("ETag", &object.etag);
            let mut response = reply::xml(xml.finish("PostResponse"));
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        // Any other wish is as good as none.
        _ => reply::no_content(),
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, metadata::etag(&object.etag));
    if !headers.contains_key(LOCATION)
        && let Ok(value) = HeaderValue::try_from(location)
    {
        headers.insert(LOCATION, value);
    }
    metadata::encryption(cx.dialect, headers);
    if let Some(checksum) = &object.checksum {
        checksums::to_headers(checksum, headers, true);
    }
    Ok(response)
}

fn is_absolute(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// What stood before the file.
#[derive(Debug, Default)]
struct Fields {
    /// Names in lower case, values as sent.
    all: Vec<(String, String)>,
    file: Head,
}

impl Fields {
    /// Reads up to the file's head.
    async fn read(form: &mut FormData) -> Result<Self, Error> {
        let mut fields = Self::default();
        let mut left = FIELDS_BYTES_MAX;
        while let Some(head) = form.next_part().await? {
            let name = head.name.to_ascii_lowercase();
            if name == "file" {
                fields.file = head;
                return Ok(fields);
            }
            let value = form.text(left).await?;
            left =
                left.checked_sub(name.len() + value.len()).ok_or_else(|| Code::MaxPostPreDataLengthExceeded.error())?;
            fields.all.push((name, value));
        }
        Err(Error::Wire(Code::IncorrectNumberOfFilesInPostRequest.error()))
    }

    /// By name, in whatever case.
    fn get(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The key, the file's name filled in.
    fn key(&self) -> Result<String, Error> {
        let key = self.get("key").ok_or_else(|| {
            invalid_argument(
                "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
                "key",
                "",
            )
        })?;
        // Browsers of old send a whole path.
        let filename = self.file.filename.as_deref().unwrap_or_default();
        let filename = filename.rsplit(['/', '\\']).next().unwrap_or_default();
        let key = key.replace(FILENAME, filename);
        if key.is_empty() {
            return Err(Error::Fault(Fault::invalid("key", "User key must have a length greater than 0.")));
        }
        Ok(key)
    }

    /// The head of a PUT that would make the same object.
    fn as_put(&self, parts: &Parts) -> Parts {
        let mut put = parts.clone();
        put.method = Method::POST;
        let kept = ["host", "origin", "x-amz-expected-bucket-owner"];
        let mut headers: HeaderMap = kept
            .iter()
            .filter_map(|name| Some((HeaderName::from_static(name), parts.headers.get(*name)?.clone())))
            .collect();
        if let Some(kind) = &self.file.content_type
            && let Ok(value) = HeaderValue::from_str(kind)
        {
            headers.insert(CONTENT_TYPE, value);
        }
        for (name, value) in &self.all {
            if NOT_HEADERS.contains(&name.as_str()) || name == "tagging" {
                continue;
            }
            let name = if name == "acl" { "x-amz-acl" } else { name.as_str() };
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
                headers.insert(name, value);
            }
        }
        put.headers = headers;
        put
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)], filename: &str) -> Fields {
        Fields {
            all: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            file: Head {
                name: "file".into(),
                filename: Some(filename.into()),
                content_type: Some("text/plain".into()),
            },
        }
    }

    fn check_key(key: &str, filename: &str, want: Option<&str>) {
        assert_eq!(fields(&[("key", key)], filename).key().ok().as_deref(), want, "{key} {filename}");
    }

    #[test]
    fn keys() {
        check_key("a/b", "f.txt", Some("a/b"));
        check_key("up/${filename}", "f.txt", Some("up/f.txt"));
        check_key("${filename}", "C:\\dir\\f.txt", Some("f.txt"));
        check_key("${filename}", "/tmp/f.txt", Some("f.txt"));
        check_key("${filename}", "", None);
        check_key("", "f", None);
    }

    #[test]
    fn fields_become_headers() {
        let form = fields(
            &[("acl", "public-read"), ("x-amz-meta-a", "1"), ("policy", "x"), ("content-type", "image/png")],
            "f",
        );
        let (parts, ()) = http::Request::post("/b").header("host", "h").body(()).expect("a request").into_parts();
        let put = form.as_put(&parts);
        assert_eq!(put.headers["x-amz-acl"], "public-read");
        assert_eq!(put.headers["x-amz-meta-a"], "1");
        assert_eq!(put.headers["content-type"], "image/png");
        assert_eq!(put.headers["host"], "h");
        assert!(!put.headers.contains_key("policy"));
    }
}
