//! One authenticated request, as every operation sees it: who asks for what, and what they may reach.

use std::sync::Arc;

use http::HeaderName;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use storage::Timestamp;
use storage::environments::{Environment, EnvironmentRecord};
use storage::objects::{BucketInfo, Key, ObjectInfo, ObjectStore};

use super::acl::Canned;
use super::authenticate::{PayloadClaim, Sender};
use super::dialect::{Dialect, Owner};
use super::error::Code;
use super::operation::Op;
use super::query::Query;
use super::target::Target;
use crate::fault::{Error, Fault, Kind, WireError};

const EXPECTED_OWNER: HeaderName = HeaderName::from_static("x-amz-expected-bucket-owner");

pub struct Context<'a> {
    pub dialect: &'static Dialect,
    pub environment: &'a Arc<Environment>,
    pub record: &'a EnvironmentRecord,
    pub store: Arc<ObjectStore>,
    pub parts: &'a Parts,
    pub target: &'a Target<'a>,
    pub sender: Sender,
    pub op: Op,
    /// How the body is framed and what was signed of it.
    pub payload: PayloadClaim,
    /// Bytes of the path that only routed the request.
    pub prefix: usize,
    pub https: bool,
}

/// What stays as it is in the address of a key.
const KEY_IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What a request does to a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Lists what is in it.
    List,
    /// Writes or deletes objects.
    Write,
    /// Changes the bucket itself, or anything that only its owner may.
    Own,
}

impl Context<'_> {
    pub fn query(&self) -> Query<'_> {
        Query::new(self.parts.uri.query())
    }

    /// A header's text; one that is not visible ASCII is not there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    pub fn now(&self) -> Timestamp {
        self.environment.now()
    }

    pub fn bucket_name(&self) -> &str {
        self.target.bucket.as_deref().unwrap_or_default()
    }

    pub fn key_text(&self) -> &str {
        self.target.key.as_deref().unwrap_or_default()
    }

    pub fn key(&self) -> Result<Key, Fault> {
        Key::parse(self.key_text())
    }

    /// The bucket, whoever may read it; the caller decides what of it the sender may see.
    pub fn any_bucket(&self) -> Result<Arc<BucketInfo>, Error> {
        let bucket = self.bucket_named(self.bucket_name())?;
        if let Some(expected) = self.parts.headers.get(EXPECTED_OWNER)
            && expected.as_bytes() != bucket.owner.as_bytes()
        {
            return Err(Code::AccessDenied.error().into());
        }
        Ok(bucket)
    }

    /// Any bucket of the service (the source of a copy).
    pub fn bucket_named(&self, name: &str) -> Result<Arc<BucketInfo>, Error> {
        match self.store.bucket(self.dialect.namespace, name) {
            Err(Fault::NotFound { kind: Kind::Bucket, .. })
                if !self.dialect.bucket_names.allow(name, self.record.auth) =>
            {
                Err(Code::InvalidBucketName.error().field("BucketName", name).into())
            }
            other => Ok(other?),
        }
    }

    /// The bucket, if the sender may do this to it.
    pub fn bucket(&self, access: Access) -> Result<Arc<BucketInfo>, Error> {
        let bucket = self.any_bucket()?;
        self.permit(&bucket, access)?;
        Ok(bucket)
    }

    pub fn permit(&self, bucket: &BucketInfo, access: Access) -> Result<(), WireError> {
        if self.permits(bucket, access) { Ok(()) } else { Err(Code::AccessDenied.error()) }
    }

    fn permits(&self, bucket: &BucketInfo, access: Access) -> bool {
        if self.owns(bucket) {
            return true;
        }
        let acl = Canned::of_bucket(bucket);
        match access {
            Access::List => acl.lets_read(self.sender.is_known()),
            Access::Write => acl.lets_write(),
            Access::Own => false,
        }
    }

    pub fn owns(&self, bucket: &BucketInfo) -> bool {
        self.sender.account() == Some(bucket.owner.as_str())
    }

    /// The object, if the sender may read it. Who may not list the bucket does not learn what is missing.
    pub fn readable_object(&self, bucket: &BucketInfo, key: &Key) -> Result<ObjectInfo, Error> {
        let object = self.store.head(bucket, key);
        if self.owns(bucket) {
            return Ok(object?);
        }
        match object {
            Ok(object) if Canned::of_object(&object).lets_read(self.sender.is_known()) => Ok(object),
            Err(fault) if self.permits(bucket, Access::List) => Err(fault.into()),
            _ => Err(Code::AccessDenied.error().into()),
        }
    }

    pub fn owner(&self, account: &str) -> Owner {
        (self.dialect.owner)(self.record, account)
    }

    /// The address of an object, as this client would write it.
    pub fn location(&self, bucket: &str, key: &str) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let host = crate::route::host(self.parts).unwrap_or_default();
        let routing = &self.parts.uri.path()[..self.prefix];
        let key = utf8_percent_encode(key, KEY_IN_URL);
        if self.target.virtual_host {
            return format!("{scheme}://{host}{routing}/{key}");
        }
        format!("{scheme}://{host}{routing}/{bucket}/{key}")
    }

    /// Refuses versions that can't exist while buckets are unversioned.
    pub fn check_version(&self) -> Result<(), WireError> {
        match self.query().get("versionId") {
            None => Ok(()),
            Some(version) if version == "null" => Ok(()),
            Some(version) => Err(unknown_version(&version)),
        }
    }

    /// A whole number from the query; S3's own words where it is none.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, WireError> {
        let Some(text) = self.query().filled(name) else { return Ok(None) };
        number(name, &text).map(Some)
    }
}

fn number(name: &'static str, text: &str) -> Result<u64, WireError> {
    let value = text.parse::<i64>().map_err(|_| {
        super::error::invalid_argument(format!("Provided {name} not an integer or within integer range"), name, text)
    })?;
    if value > i64::from(i32::MAX) {
        return Err(super::error::invalid_argument(
            format!("Provided {name} not an integer or within integer range"),
            name,
            text,
        ));
    }
    u64::try_from(value).map_err(|_| {
        super::error::invalid_argument(
            format!("Argument {name} must be an integer between 0 and 2147483647"),
            name,
            text,
        )
    })
}

pub fn unknown_version(version: &str) -> WireError {
    super::error::invalid_argument("Invalid version id specified", "versionId", version)
}

pub fn not_implemented(dialect: &Dialect, op: Op) -> WireError {
    Code::NotImplemented.say((dialect.not_implemented)(op.name()))
}
