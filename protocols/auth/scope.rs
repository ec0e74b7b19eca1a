//! A version 4 credential: `<access key>/<yyyyMMdd>/<region>/<service>/aws4_request`.

use std::borrow::Cow;

use super::error::{AuthError, Place, ScopeFlaw};
use super::stamp::{self, Stamp};
use super::{Regions, Rules};

const TERMINAL: &str = "aws4_request";

/// What a version 4 signature is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `yyyyMMdd`.
    pub date: Cow<'a, str>,
    pub region: Cow<'a, str>,
    pub service: Cow<'a, str>,
}

impl<'a> Scope<'a> {
    /// Splits a credential into the access key and its scope. An access key may itself hold slashes.
    pub fn parse(credential: Cow<'a, str>, place: Place) -> Result<(Cow<'a, str>, Self), AuthError> {
        match credential {
            Cow::Borrowed(text) => {
                let [key, date, region, service] = split(text, place)?;
                let scope = Self { date: date.into(), region: region.into(), service: service.into() };
                Ok((key.into(), scope))
            }
            Cow::Owned(text) => {
                let [key, date, region, service] = split(&text, place)?.map(str::to_owned);
                Ok((key.into(), Self { date: date.into(), region: region.into(), service: service.into() }))
            }
        }
    }

    /// Is this scope for the service, the region and the day?
    pub fn check(&self, rules: &Rules<'_>, stamp: &Stamp, place: Place) -> Result<(), AuthError> {
        let flaw = if self.date != stamp.date() {
            ScopeFlaw::DateMismatch { credential: self.date.to_string(), request: stamp.date().to_owned() }
        } else if !rules.services.contains(&&*self.service) {
            let expected = rules.services.first().copied().unwrap_or_default().to_owned();
            ScopeFlaw::Service { got: self.service.to_string(), expected }
        } else {
            match rules.regions {
                Regions::OneOf { accepted, expected } if !accepted.contains(&&*self.region) => {
                    ScopeFlaw::Region { got: self.region.to_string(), expected: expected.to_owned() }
                }
                _ => return Ok(()),
            }
        };
        Err(AuthError::Scope { place, flaw })
    }

    /// Appends `<date>/<region>/<service>/aws4_request`.
    pub fn write(&self, out: &mut Vec<u8>) {
        for part in [&self.date, &self.region, &self.service] {
            out.extend_from_slice(part.as_bytes());
            out.push(b'/');
        }
        out.extend_from_slice(TERMINAL.as_bytes());
    }
}

fn split(credential: &str, place: Place) -> Result<[&str; 4], AuthError> {
    let fail = |flaw| Err(AuthError::Scope { place, flaw });
    let mut parts = credential.rsplitn(5, '/');
    let (Some(terminal), Some(service), Some(region), Some(date), Some(key)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return fail(ScopeFlaw::Malformed { value: credential.to_owned() });
    };
    if key.is_empty() {
        return fail(ScopeFlaw::Malformed { value: credential.to_owned() });
    }
    if !stamp::is_date(date) {
        return fail(ScopeFlaw::DateFormat { got: date.to_owned() });
    }
    if terminal != TERMINAL {
        return fail(ScopeFlaw::Terminal { got: terminal.to_owned() });
    }
    Ok([key, date, region, service])
}
