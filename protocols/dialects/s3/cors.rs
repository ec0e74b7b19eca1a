//! CORS: the configuration, preflight requests, and the headers that real requests get.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use storage::environments::Environment;
use storage::objects::{BucketInfo, ObjectStore};

use super::context::{Access, Context};
use super::dialect::Dialect;
use super::error::{Code, from_fault};
use super::target::Target;
use super::{XML_NAMESPACE, intake, reply};
use crate::body::{Body, Response};
use crate::fault::{Error, Fault, Kind, WireError};
use crate::wire::xml::{self, Element, Writer};

/// Name of the bucket's configuration.
const CORS: &str = "cors";
const RULES_MAX: usize = 100;
/// Most bytes of the configuration (S3: 64 KB).
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
const VARY_ON: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

#[derive(Debug, Default, PartialEq, Eq)]
struct Rule {
    id: Option<String>,
    allowed_headers: Vec<String>,
    allowed_methods: Vec<String>,
    allowed_origins: Vec<String>,
    expose_headers: Vec<String>,
    max_age_seconds: Option<u32>,
}

fn parse(bytes: &[u8]) -> Result<Vec<Rule>, WireError> {
    let malformed = || Code::MalformedXML.error();
    let document = xml::parse(bytes).map_err(|_| malformed())?;
    if document.name != "CORSConfiguration" || document.children.is_empty() || document.children.len() > RULES_MAX {
        return Err(malformed());
    }
    document.children.iter().map(parse_rule).collect()
}

fn parse_rule(element: &Element) -> Result<Rule, WireError> {
    let malformed = || Code::MalformedXML.error();
    if element.name != "CORSRule" {
        return Err(malformed());
    }
    let mut rule = Rule::default();
    for child in &element.children {
        let text = child.text.trim().to_owned();
        match child.name.as_str() {
            "ID" => rule.id = Some(text),
            "AllowedHeader" => rule.allowed_headers.push(one_wildcard(text, "AllowedHeader")?),
            "AllowedOrigin" => rule.allowed_origins.push(one_wildcard(text, "AllowedOrigin")?),
            "ExposeHeader" => rule.expose_headers.push(text),
            "MaxAgeSeconds" => rule.max_age_seconds = Some(text.parse().map_err(|_| malformed())?),
            "AllowedMethod" if METHODS.contains(&text.as_str()) => rule.allowed_methods.push(text),
            "AllowedMethod" => {
                return Err(Code::InvalidRequest
                    .say(format!("Found unsupported HTTP method in CORS config. Unsupported method is {text}")));
            }
            _ => return Err(malformed()),
        }
    }
    if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
        return Err(malformed());
    }
    Ok(rule)
}

fn one_wildcard(text: String, name: &str) -> Result<String, WireError> {
    if text.matches('*').count() > 1 {
        return Err(Code::InvalidRequest.say(format!("{name} \"{text}\" can not have more than one wildcard.")));
    }
    Ok(text)
}

fn document(rules: &[Rule]) -> String {
    let mut xml = Writer::new("CORSConfiguration", Some(XML_NAMESPACE));
    for rule in rules {
        xml.open("CORSRule");
        xml.text_if("ID", rule.id.as_deref());
        let lists = [
            ("AllowedHeader", &rule.allowed_headers),
            ("AllowedMethod", &rule.allowed_methods),
            ("AllowedOrigin", &rule.allowed_origins),
            ("ExposeHeader", &rule.expose_headers),
        ];
        for (name, values) in lists {
            for value in values {
                xml.text(name, value);
            }
        }
        if let Some(seconds) = rule.max_age_seconds {
            xml.number("MaxAgeSeconds", u64::from(seconds));
        }
        xml.close("CORSRule");
    }
    xml.finish("CORSConfiguration")
}

impl Rule {
    fn allows(&self, origin: &str, method: &str, headers: &[String]) -> bool {
        self.allowed_origins.iter().any(|pattern| matches(pattern, origin))
            && self.allowed_methods.iter().any(|allowed| allowed == method)
            && headers
                .iter()
                .all(|header| self.allowed_headers.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), header)))
    }

    /// The headers of an allowed request. Any origin at all is answered with a star and no credentials.
    fn answer(&self, origin: &str, requested: &[String], out: &mut Vec<(HeaderName, HeaderValue)>) {
        let any = self.allowed_origins.iter().any(|allowed| allowed == "*");
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                out.push((name, value));
            }
        };
        put(ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*" } else { origin });
        put(ACCESS_CONTROL_ALLOW_METHODS, &self.allowed_methods.join(", "));
        if !requested.is_empty() {
            put(ACCESS_CONTROL_ALLOW_HEADERS, &requested.join(", "));
        }
        if !self.expose_headers.is_empty() {
            put(ACCESS_CONTROL_EXPOSE_HEADERS, &self.expose_headers.join(", "));
        }
        if let Some(seconds) = self.max_age_seconds {
            put(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        if !any {
            put(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        out.push((VARY, VARY_ON));
    }
}

/// `*` stands for any run of characters, once.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

fn rules_of(bucket: &BucketInfo) -> Option<Vec<Rule>> {
    parse(bucket.configurations.get(CORS)?).ok()
}

/// OPTIONS: asked by browsers without credentials.
pub async fn preflight(
    dialect: &Dialect,
    environment: &Environment,
    parts: &Parts,
    target: &Target<'_>,
) -> Result<Response, Error> {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(ORIGIN) else {
        return Err(Code::BadRequest.say("Insufficient information. Origin request header needed.").into());
    };
    let method = text(ACCESS_CONTROL_REQUEST_METHOD).unwrap_or_default();
    if !METHODS.contains(&method) {
        return Err(Code::BadRequest.say(format!("Invalid Access-Control-Request-Method: {method}")).into());
    }
    let requested = header_names(text(ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default());
    let kind = if target.key.is_some() { "OBJECT" } else { "BUCKET" };
    let forbidden = |message: Option<&'static str>| {
        let error = message.map_or_else(|| Code::AccessForbidden.error(), |text| Code::AccessForbidden.say(text));
        error.field("Method", method).field("ResourceType", kind)
    };
    let Some(name) = target.bucket.as_deref() else { return Err(forbidden(None).into()) };
    let store = environment.objects().await?;
    let bucket = store.bucket(dialect.namespace, name)?;
    let rules =
        rules_of(&bucket).ok_or_else(|| forbidden(Some("CORSResponse: CORS is not enabled for this bucket.")))?;
    let rule = rules.iter().find(|rule| rule.allows(origin, method, &requested)).ok_or_else(|| forbidden(None))?;
    let mut headers = Vec::new();
    rule.answer(origin, &requested, &mut headers);
    let mut response = reply::ok();
    response.headers_mut().extend(headers);
    Ok(response)
}

fn header_names(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

/// Gives a browser's request the headers that let it read the answer, errors included.
pub fn decorate(cx: &Context<'_>, result: Result<Response, Error>) -> Result<Response, Error> {
    // Nearly no request comes from a page; this look-up is all that the others pay.
    if !cx.parts.headers.contains_key(ORIGIN) {
        return result;
    }
    let headers = answer_headers(&cx.store, cx.dialect, &cx.parts.headers, cx.parts.method.as_str(), cx.bucket_name());
    match result {
        Ok(mut response) => {
            response.headers_mut().extend(headers);
            Ok(response)
        }
        Err(error) => {
            let mut error = match error {
                Error::Wire(error) => error,
                Error::Fault(Fault::Internal(cause)) => {
                    let mut error = Code::InternalError.error();
                    tracing::error!("internal: {cause:#}");
                    error.cause = Some(cause);
                    error
                }
                Error::Fault(fault) => from_fault(&fault),
            };
            error.headers.extend(headers);
            Err(error.into())
        }
    }
}

fn answer_headers(
    store: &ObjectStore,
    dialect: &Dialect,
    headers: &HeaderMap,
    method: &str,
    bucket: &str,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut out = Vec::new();
    let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
    let bucket = store.bucket(dialect.namespace, bucket).ok();
    if let (Some(origin), Some(rules)) = (origin, bucket.and_then(|bucket| rules_of(&bucket)))
        && let Some(rule) = rules.iter().find(|rule| rule.allows(origin, method, &[]))
    {
        rule.answer(origin, &[], &mut out);
    }
    out
}

pub fn get(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    let stored = bucket.configurations.get(CORS);
    let stored = stored.ok_or_else(|| Fault::not_found(Kind::BucketConfiguration, CORS))?;
    Ok(reply::xml(String::from_utf8_lossy(stored).into_owned()))
}

pub async fn put(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    let bytes = intake::document(cx, body, DOCUMENT_BYTES_MAX).await?;
    // Kept as the document that GET answers.
    let value = Some(document(&parse(&bytes)?).into_bytes());
    cx.store.configure_bucket(cx.dialect.namespace, &bucket.name, CORS, value).await?;
    Ok(reply::ok())
}

pub async fn delete(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    cx.store.configure_bucket(cx.dialect.namespace, &bucket.name, CORS, None).await?;
    Ok(reply::no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_matches(pattern: &str, text: &str, want: bool) {
        assert_eq!(matches(pattern, text), want, "{pattern} {text}");
    }

    #[test]
    fn patterns() {
        check_matches("*", "https://a.example", true);
        check_matches("https://*.example", "https://a.example", true);
        check_matches("https://*.example", "http://a.example", false);
        check_matches("https://a.example", "https://a.example", true);
        check_matches("x-amz-*", "x-amz-date", true);
        check_matches("ab*ba", "aba", false);
    }

    fn check(document: &str, want: &str) {
        let got = match parse(document.as_bytes()) {
            Ok(rules) => format!("{} rules", rules.len()),
            Err(error) => error.code.into_owned(),
        };
        assert_eq!(got, want, "{document}");
    }

    #[test]
    fn documents() {
        let one = |inner: &str| format!("<CORSConfiguration><CORSRule>{inner}</CORSRule></CORSConfiguration>");
        let whole = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";
        check(&one(whole), "1 rules");
        check(&one(&format!("{whole}<MaxAgeSeconds>x</MaxAgeSeconds>")), "MalformedXML");
        check(&one(&format!("{whole}<Other/>")), "MalformedXML");
        check(&one("<AllowedOrigin>*</AllowedOrigin>"), "MalformedXML");
        check(&one("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"), "InvalidRequest");
        check(&one("<AllowedOrigin>*.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"), "InvalidRequest");
        check("<CORSConfiguration/>", "MalformedXML");
        check("", "MalformedXML");
    }

    #[test]
    fn documents_read_back() {
        let rules = vec![Rule {
            id: Some("r".into()),
            allowed_headers: vec!["*".into()],
            allowed_methods: vec!["GET".into(), "PUT".into()],
            allowed_origins: vec!["https://a.example".into()],
            expose_headers: vec!["ETag".into()],
            max_age_seconds: Some(5),
        }];
        assert_eq!(parse(document(&rules).as_bytes()).expect("ours"), rules);
    }

    fn check_rule(origin: &str, method: &str, headers: &str, want: bool) {
        let rule = Rule {
            allowed_headers: vec!["X-Amz-*".into(), "content-type".into()],
            allowed_methods: vec!["GET".into()],
            allowed_origins: vec!["https://*.example".into()],
            ..Rule::default()
        };
        assert_eq!(rule.allows(origin, method, &header_names(headers)), want, "{origin} {method} {headers}");
    }

    #[test]
    fn rules() {
        check_rule("https://a.example", "GET", "", true);
        check_rule("https://a.example", "GET", "x-amz-date, Content-Type", true);
        check_rule("https://a.example", "GET", "authorization", false);
        check_rule("https://a.example", "PUT", "", false);
        check_rule("https://a.test", "GET", "", false);
    }
}
