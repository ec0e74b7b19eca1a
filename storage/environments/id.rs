//! Names of environments.

use std::fmt;
use std::sync::Arc;

use crate::Fault;

/// Characters after `env-` in an id that was not chosen.
const RANDOM_CHARACTERS: usize = 12;
/// Most characters after `env-` in a chosen id.
const CHOSEN_CHARACTERS_MAX: usize = 40;

/// `env-` and 12 characters of lower-case base32, or a chosen name such as `env-default`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId(Arc<str>);

impl EnvironmentId {
    /// `env-` followed by 1 to 40 of `a-z0-9-`.
    pub fn parse(id: &str) -> Option<Self> {
        let rest = id.strip_prefix("env-")?;
        let good = (1..=CHOSEN_CHARACTERS_MAX).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        good.then(|| Self(id.into()))
    }

    /// A new id from the operating system's random source.
    pub fn random() -> Result<Self, Fault> {
        let rest = random_characters::<RANDOM_CHARACTERS>()?;
        Ok(Self(format!("env-{rest}").into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `N` characters of lower-case base32, five random bits each.
pub(super) fn random_characters<const N: usize>() -> Result<String, Fault> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system's random source fails"))?;
    Ok(bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_takes_only_what_is_safe_in_a_host_and_a_path() {
        let check = |id: &str, good: bool| assert_eq!(EnvironmentId::parse(id).is_some(), good, "{id:?}");
        check("env-default", true);
        check("env-a", true);
        check("env-abc-123", true);
        check("env-", false);
        check("default", false);
        check("env-A", false);
        check("env-a/b", false);
        check("env-..", false);
        check("env-a.b", false);
        check("env-é", false);
        check(&format!("env-{}", "a".repeat(40)), true);
        check(&format!("env-{}", "a".repeat(41)), false);
    }

    #[test]
    fn random_ids_parse_and_differ() {
        let a = EnvironmentId::random().expect("random source");
        let b = EnvironmentId::random().expect("random source");
        assert_ne!(a, b);
        assert_eq!(EnvironmentId::parse(a.as_str()), Some(a));
    }
}
