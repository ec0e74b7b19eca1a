//! Conditions on reads and writes, in S3's order of precedence (RFC 9110 section 13.2.2 with S3's exceptions).

use super::model::{Conditions, ObjectInfo};
use crate::fault::Kind;
use crate::{Fault, Timestamp};

impl Conditions {
    pub fn is_empty(&self) -> bool {
        self.if_match.is_none()
            && self.if_none_match.is_none()
            && self.if_modified_since.is_none()
            && self.if_unmodified_since.is_none()
            && self.if_size.is_none()
    }

    /// For GET, HEAD and the source of a copy: If-Match decides over If-Unmodified-Since, If-None-Match over
    /// If-Modified-Since.
    pub fn check_read(&self, object: &ObjectInfo) -> Result<(), Fault> {
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !matches(tags, &object.etag) => return Err(failed("If-Match")),
            (None, Some(since)) if object.modified.seconds() > since.seconds() => {
                return Err(failed("If-Unmodified-Since"));
            }
            _ => {}
        }
        let unchanged = match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) => matches(tags, &object.etag),
            (None, Some(since)) => object.modified.seconds() <= since.seconds(),
            (None, None) => false,
        };
        if unchanged {
            return Err(Fault::NotModified { etag: object.etag.clone(), last_modified: object.modified });
        }
        if self.if_size.is_some_and(|size| size != object.size) {
            return Err(failed("If-Match-Size"));
        }
        Ok(())
    }

    /// For PUT, DELETE, copies' destinations and completions, against what the key holds now. Without an object
    /// `If-Match` finds nothing to match: S3 answers that the key does not exist.
    pub fn check_write(&self, key: &str, current: Option<&ObjectInfo>) -> Result<(), Fault> {
        let Some(object) = current else {
            return if self.if_match.is_some() || self.if_size.is_some() {
                Err(Fault::not_found(Kind::Object, key))
            } else if self.if_unmodified_since.is_some() {
                Err(failed("If-Unmodified-Since"))
            } else {
                Ok(())
            };
        };
        if self.if_match.as_ref().is_some_and(|tags| !matches(tags, &object.etag)) {
            return Err(failed("If-Match"));
        }
        if self.if_none_match.as_ref().is_some_and(|tags| matches(tags, &object.etag)) {
            return Err(failed("If-None-Match"));
        }
        let modified = object.modified.seconds();
        if self.if_unmodified_since.is_some_and(|since| modified > since.seconds()) {
            return Err(failed("If-Unmodified-Since"));
        }
        if self.if_modified_since.is_some_and(|since: Timestamp| modified <= since.seconds()) {
            return Err(failed("If-Modified-Since"));
        }
        if self.if_size.is_some_and(|size| size != object.size) {
            return Err(failed("If-Match-Size"));
        }
        Ok(())
    }
}

fn failed(condition: &'static str) -> Fault {
    Fault::Precondition { condition }
}

fn matches(tags: &[String], etag: &str) -> bool {
    tags.iter().any(|tag| tag == "*" || tag == etag)
}

#[cfg(test)]
mod tests {
    use super::super::digests::Known;
    use super::super::model::{Attributes, Key, Tags};
    use super::super::reclaim::Pin;
    use super::super::records::ObjectRecord;
    use super::*;

    fn object() -> ObjectInfo {
        let record = ObjectRecord {
            generation: 1,
            size: 3,
            digest: [0xab; 16],
            part_count: 0,
            modified: Timestamp(10_500),
            owner: String::new(),
            layout: super::super::body::Layout::Empty,
            checksum: None,
            known: Known::default(),
            attributes: Attributes::default(),
            tags: Tags::default(),
            metageneration: 0,
        };
        record.into_info(Key::parse("k").expect("key"), Pin::default())
    }

    /// `m`, `n`: tags of If-Match and If-None-Match (`=` the object's own, `x` another, `*`); `M`, `U`: seconds of
    /// If-Modified-Since and If-Unmodified-Since.
    fn conditions(text: &str) -> Conditions {
        let mut conditions = Conditions::default();
        for word in text.split_whitespace() {
            let (name, value) = word.split_at(1);
            let tag = || Some(vec![if value == "=" { object().etag } else { value.to_owned() }]);
            let time = || Some(Timestamp(value.parse::<u64>().expect("seconds") * 1000));
            match name {
                "m" => conditions.if_match = tag(),
                "n" => conditions.if_none_match = tag(),
                "M" => conditions.if_modified_since = time(),
                "U" => conditions.if_unmodified_since = time(),
                "s" => conditions.if_size = value.parse().ok(),
                other => panic!("{other}"),
            }
        }
        conditions
    }

    fn outcome(result: &Result<(), Fault>) -> &'static str {
        match result {
            Ok(()) => "ok",
            Err(Fault::Precondition { .. }) => "412",
            Err(Fault::NotModified { .. }) => "304",
            Err(Fault::NotFound { .. }) => "404",
            Err(_) => "other",
        }
    }

    fn check(text: &str, read: &str, write: &str, create: &str) {
        let conditions = conditions(text);
        assert_eq!(outcome(&conditions.check_read(&object())), read, "read {text}");
        assert_eq!(outcome(&conditions.check_write("k", Some(&object()))), write, "write {text}");
        assert_eq!(outcome(&conditions.check_write("k", None)), create, "create {text}");
    }

    #[test]
    fn precedence_and_outcomes() {
        check("", "ok", "ok", "ok");
        check("m=", "ok", "ok", "404");
        check("m*", "ok", "ok", "404");
        check("mx", "412", "412", "404");
        check("n*", "304", "412", "ok");
        check("n=", "304", "412", "ok");
        check("nx", "ok", "ok", "ok");
        check("U10", "ok", "ok", "412");
        check("U9", "412", "412", "412");
        check("M10", "304", "412", "ok");
        check("M9", "ok", "ok", "ok");
        // A tag that matches decides over the date beside it.
        check("m= U9", "ok", "412", "404");
        check("mx U10", "412", "412", "404");
        check("nx M10", "ok", "412", "ok");
        check("n= M9", "304", "412", "ok");
        check("m= n=", "304", "412", "404");
        check("s3", "ok", "ok", "404");
        check("s4", "412", "412", "404");
    }
}
