//! Canned ACLs: who beside the owner may read or write. Grants to single accounts are not there yet and are
//! refused rather than forgotten.

use http::header::HeaderMap;
use storage::objects::{BucketInfo, ObjectInfo};

use super::XML_NAMESPACE;
use super::context::{Access, Context};
use super::dialect::{Dialect, Owner};
use super::error::{Code, invalid_argument};
use super::{intake, reply};
use crate::body::{Body, Response};
use crate::fault::{Error, WireError};
use crate::wire::xml::{self, Element, Writer};

/// Name of the configuration (buckets) and of the extra attribute (objects).
pub const ACL: &str = "acl";

const HEADER: &str = "x-amz-acl";
const GRANT_HEADERS: [&str; 5] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-write",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
];
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
/// Most bytes of an access control policy.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Canned {
    #[default]
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
}

impl Canned {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
            Self::AuthenticatedRead => "authenticated-read",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            // With one account these grant nothing more than the owner has.
            "private" | "bucket-owner-read" | "bucket-owner-full-control" | "aws-exec-read" | "log-delivery-write" => {
                Self::Private
            }
            "public-read" => Self::PublicRead,
            "public-read-write" => Self::PublicReadWrite,
            "authenticated-read" => Self::AuthenticatedRead,
            _ => return None,
        })
    }

    pub fn of_bucket(bucket: &BucketInfo) -> Self {
        let stored = bucket.configurations.get(ACL).and_then(|acl| std::str::from_utf8(acl).ok());
        stored.and_then(Self::parse).unwrap_or_default()
    }

    pub fn of_object(object: &ObjectInfo) -> Self {
        object.attributes.extra.get(ACL).and_then(|acl| Self::parse(acl)).unwrap_or_default()
    }

    /// `known`: the reader signed with some key.
    pub fn lets_read(self, known: bool) -> bool {
        match self {
            Self::Private => false,
            Self::PublicRead | Self::PublicReadWrite => true,
            Self::AuthenticatedRead => known,
        }
    }

    pub fn lets_write(self) -> bool {
        self == Self::PublicReadWrite
    }

    /// From `x-amz-acl` or the grant headers; `None` where neither is there.
    pub fn from_headers(headers: &HeaderMap, dialect: &Dialect, owner: &Owner) -> Result<Option<Self>, WireError> {
        let canned = headers.get(HEADER).map(|value| value.to_str().unwrap_or_default());
        let granted = GRANT_HEADERS.iter().any(|name| headers.contains_key(*name));
        if canned.is_none() && !granted {
            return Ok(None);
        }
        if !dialect.acls {
            // Where there are no ACLs, the private one changes nothing.
            return match canned {
                Some("private") => Ok(None),
                _ => Err(Code::NotImplemented.say((dialect.not_implemented)("Header 'x-amz-acl'"))),
            };
        }
        if canned.is_some() && granted {
            return Err(Code::InvalidRequest.say("Specifying both Canned ACLs and Header Grants is not allowed"));
        }
        if let Some(text) = canned {
            return Self::parse(text).map(Some).ok_or_else(|| invalid_argument("", HEADER, text));
        }
        Self::from_grants(headers, owner).map(Some)
    }

    fn from_grants(headers: &HeaderMap, owner: &Owner) -> Result<Self, WireError> {
        let mut grants = Grants::default();
        for name in GRANT_HEADERS {
            let Some(value) = headers.get(name) else { continue };
            let permission = match name {
                "x-amz-grant-full-control" => "FULL_CONTROL",
                "x-amz-grant-read" => "READ",
                "x-amz-grant-write" => "WRITE",
                "x-amz-grant-read-acp" => "READ_ACP",
                _ => "WRITE_ACP",
            };
            for grantee in value.to_str().unwrap_or_default().split(',') {
                let (kind, value) = grantee
                    .trim()
                    .split_once('=')
                    .ok_or_else(|| invalid_argument("Argument format not recognized", name, grantee))?;
                let value = value.trim_matches('"');
                match kind.trim() {
                    "uri" => grants.add(Grantee::Group(value), permission)?,
                    "id" if value == owner.id => {}
                    _ => return Err(foreign_grant()),
                }
            }
        }
        grants.canned()
    }

    fn from_document(document: &Element, owner: &Owner) -> Result<Self, WireError> {
        let malformed = || Code::MalformedACLError.error();
        if document.name != "AccessControlPolicy" {
            return Err(malformed());
        }
        if let Some(id) = document.child("Owner").and_then(|owner| owner.text_of("ID"))
            && id != owner.id
        {
            return Err(Code::AccessDenied.error());
        }
        let list = document.child("AccessControlList").ok_or_else(malformed)?;
        let mut grants = Grants::default();
        for grant in &list.children {
            let grantee = grant.child("Grantee").ok_or_else(malformed)?;
            let permission = grant.text_of("Permission").ok_or_else(malformed)?;
            match (grantee.text_of("URI"), grantee.text_of("ID")) {
                (Some(uri), _) => grants.add(Grantee::Group(uri), permission)?,
                (None, Some(id)) if id == owner.id => {}
                (None, None) => return Err(malformed()),
                _ => return Err(foreign_grant()),
            }
        }
        grants.canned()
    }
}

enum Grantee<'a> {
    Group(&'a str),
}

/// What the two groups may do.
#[derive(Default)]
struct Grants {
    all_read: bool,
    all_write: bool,
    known_read: bool,
}

impl Grants {
    fn add(&mut self, Grantee::Group(uri): Grantee<'_>, permission: &str) -> Result<(), WireError> {
        match (uri, permission) {
            (ALL_USERS, "READ") => self.all_read = true,
            (ALL_USERS, "WRITE") => self.all_write = true,
            (AUTHENTICATED_USERS, "READ") => self.known_read = true,
            (ALL_USERS | AUTHENTICATED_USERS, _) => return Err(foreign_grant()),
            _ => return Err(invalid_argument("Invalid group uri", "uri", uri)),
        }
        Ok(())
    }

    fn canned(&self) -> Result<Canned, WireError> {
        match (self.all_read, self.all_write, self.known_read) {
            (false, false, false) => Ok(Canned::Private),
            (true, false, _) => Ok(Canned::PublicRead),
            (true, true, _) => Ok(Canned::PublicReadWrite),
            (false, false, true) => Ok(Canned::AuthenticatedRead),
            (false, true, _) => Err(foreign_grant()),
        }
    }
}

fn foreign_grant() -> WireError {
    Code::NotImplemented.say("Grants beyond the canned ACLs are not implemented")
}

fn document(owner: &Owner, acl: Canned) -> String {
    let mut xml = Writer::new("AccessControlPolicy", Some(XML_NAMESPACE));
    reply::owner_to_xml(&mut xml, "Owner", owner);
    xml.open("AccessControlList");
    let user = |xml: &mut Writer| reply::owner_fields(xml, owner);
    grant(&mut xml, "CanonicalUser", user, "FULL_CONTROL");
    match acl {
        Canned::Private => {}
        Canned::PublicRead => grant(&mut xml, "Group", |xml| xml.text("URI", ALL_USERS), "READ"),
        Canned::PublicReadWrite => {
            grant(&mut xml, "Group", |xml| xml.text("URI", ALL_USERS), "READ");
            grant(&mut xml, "Group", |xml| xml.text("URI", ALL_USERS), "WRITE");
        }
        Canned::AuthenticatedRead => {
            grant(&mut xml, "Group", |xml| xml.text("URI", AUTHENTICATED_USERS), "READ");
        }
    }
    xml.close("AccessControlList");
    xml.finish("AccessControlPolicy")
}

fn grant(xml: &mut Writer, kind: &str, grantee: impl Fn(&mut Writer), permission: &str) {
    xml.open("Grant");
    xml.open_with("Grantee", &format!("xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{kind}\""));
    grantee(xml);
    xml.close("Grantee");
    xml.text("Permission", permission);
    xml.close("Grant");
}

pub fn get_bucket(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    Ok(reply::xml(document(&cx.owner(&bucket.owner), Canned::of_bucket(&bucket))))
}

pub async fn put_bucket(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    let acl = asked(cx, &cx.owner(&bucket.owner), body).await?;
    let value = Some(acl.name().as_bytes().to_vec());
    cx.store.configure_bucket(cx.dialect.namespace, &bucket.name, ACL, value).await?;
    Ok(reply::ok())
}

pub fn get_object(cx: &Context<'_>) -> Result<Response, Error> {
    cx.check_version()?;
    let bucket = cx.bucket(Access::Own)?;
    let object = cx.store.head(&bucket, &cx.key()?)?;
    Ok(reply::xml(document(&cx.owner(&bucket.owner), Canned::of_object(&object))))
}

pub async fn put_object(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    cx.check_version()?;
    let bucket = cx.bucket(Access::Own)?;
    let key = cx.key()?;
    let acl = asked(cx, &cx.owner(&bucket.owner), body).await?;
    cx.store.set_extra(&bucket, &key, ACL, Some(acl.name().to_owned())).await?;
    Ok(reply::ok())
}

/// The ACL of a request that sets one: in headers or in the body.
async fn asked(cx: &Context<'_>, owner: &Owner, body: Body) -> Result<Canned, Error> {
    let from_headers = Canned::from_headers(&cx.parts.headers, cx.dialect, owner)?;
    let bytes = intake::document(cx, body, DOCUMENT_BYTES_MAX).await?;
    match (from_headers, bytes.is_empty()) {
        (Some(acl), true) => Ok(acl),
        (Some(_), false) => Err(Code::InvalidRequest.say("This request does not support content").into()),
        (None, true) => Err(Code::MissingSecurityHeader
            .say("Your request was missing a required header")
            .field("MissingHeaderName", HEADER)
            .into()),
        (None, false) => {
            let document = xml::parse(&bytes).map_err(|_| Code::MalformedACLError.error())?;
            Ok(Canned::from_document(&document, owner)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { id: "me".into(), display_name: None }
    }

    fn check_headers(pairs: &[(&'static str, &'static str)], want: Result<Option<Canned>, &str>) {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        let got = Canned::from_headers(&headers, &crate::aws::s3::DIALECT, &owner());
        assert_eq!(got.as_ref().map(|acl| *acl).map_err(|error| error.code.as_ref()), want, "{pairs:?}");
    }

    #[test]
    fn headers() {
        check_headers(&[], Ok(None));
        check_headers(&[("x-amz-acl", "public-read")], Ok(Some(Canned::PublicRead)));
        check_headers(&[("x-amz-acl", "bucket-owner-full-control")], Ok(Some(Canned::Private)));
        check_headers(&[("x-amz-acl", "open")], Err("InvalidArgument"));
        check_headers(
            &[("x-amz-grant-read", "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"")],
            Ok(Some(Canned::PublicRead)),
        );
        check_headers(&[("x-amz-grant-full-control", "id=\"me\"")], Ok(Some(Canned::Private)));
        check_headers(&[("x-amz-grant-read", "id=\"other\"")], Err("NotImplemented"));
        check_headers(&[("x-amz-acl", "private"), ("x-amz-grant-read", "id=\"me\"")], Err("InvalidRequest"));
    }

    #[test]
    fn documents_read_back() {
        for acl in [Canned::Private, Canned::PublicRead, Canned::PublicReadWrite, Canned::AuthenticatedRead] {
            let tree = xml::parse(document(&owner(), acl).as_bytes()).expect("well-formed");
            assert_eq!(Canned::from_document(&tree, &owner()).ok(), Some(acl));
        }
    }
}
