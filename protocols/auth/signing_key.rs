//! Version 4 signing keys: four HMACs from secret to key, done once per day, region and service.
//!
//! Kept per thread, so that no request waits for another; bounded, so that no client can make it grow.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::scope::Scope;

/// Keys remembered per thread. A key takes about 1.5 KiB.
const KEYS_PER_THREAD: usize = 128;

struct Entry {
    secret: String,
    date: String,
    region: String,
    service: String,
    key: hmac::Key,
}

impl Entry {
    fn is_for(&self, secret: &str, scope: &Scope<'_>) -> bool {
        self.secret == secret
            && self.date == *scope.date
            && self.region == *scope.region
            && self.service == *scope.service
    }
}

/// Each key has one place it can be; the newer one stays.
struct Keys {
    hasher: RandomState,
    places: Vec<Option<Box<Entry>>>,
}

thread_local! {
    static KEYS: RefCell<Keys> = RefCell::new(Keys { hasher: RandomState::new(), places: Vec::new() });
}

/// Calls `use_key` with the signing key of `secret` for `scope`.
pub fn with<R>(secret: &str, scope: &Scope<'_>, use_key: impl FnOnce(&hmac::Key) -> R) -> R {
    KEYS.with_borrow_mut(|keys| use_key(keys.get(secret, scope)))
}

impl Keys {
    fn get(&mut self, secret: &str, scope: &Scope<'_>) -> &hmac::Key {
        if self.places.is_empty() {
            self.places.resize_with(KEYS_PER_THREAD, || None);
        }
        let hash = self.hasher.hash_one((secret, &*scope.date, &*scope.region, &*scope.service));
        #[allow(clippy::cast_possible_truncation)] // any of its bits will do
        let place = &mut self.places[hash as usize % KEYS_PER_THREAD];
        if place.as_ref().is_some_and(|entry| !entry.is_for(secret, scope)) {
            *place = None;
        }
        let entry = place.get_or_insert_with(|| {
            Box::new(Entry {
                secret: secret.to_owned(),
                date: scope.date.to_string(),
                region: scope.region.to_string(),
                service: scope.service.to_string(),
                key: derive(secret, scope),
            })
        });
        &entry.key
    }
}

/// The signing key, derived anew.
pub fn derive(secret: &str, scope: &Scope<'_>) -> hmac::Key {
    let mut first = Vec::with_capacity(4 + secret.len());
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(secret.as_bytes());
    let mut key = hmac::Key::new(HMAC_SHA256, &first);
    for part in [&*scope.date, &*scope.region, &*scope.service, "aws4_request"] {
        let tag = hmac::sign(&key, part.as_bytes());
        key = hmac::Key::new(HMAC_SHA256, tag.as_ref());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secret: &str, date: &str, region: &str, service: &str) {
        let scope = Scope { date: date.into(), region: region.into(), service: service.into() };
        let want = hmac::sign(&derive(secret, &scope), b"x");
        let got = with(secret, &scope, |key| hmac::sign(key, b"x"));
        assert_eq!(got.as_ref(), want.as_ref(), "{secret} {date}/{region}/{service}");
    }

    /// More keys than places, each asked for twice: never another's key.
    #[test]
    fn a_remembered_key_is_the_derived_one() {
        for round in 0..2 {
            for n in 0..4 * KEYS_PER_THREAD {
                check(&format!("secret{n}"), "20130524", "us-east-1", "s3");
            }
            check("a", "20130524", "us-east-1", if round == 0 { "s3" } else { "sqs" });
            check("a", "20130524", "us-east-2", "s3");
            check("a", "20130525", "us-east-1", "s3");
        }
    }
}
