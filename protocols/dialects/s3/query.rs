//! The query string, read where it stands: no map is built, values are decoded when asked for.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A request's query.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Names and values as sent.
    pub fn raw_pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The first value of `name`, decoded. Bytes that are not UTF-8 become replacement characters.
    pub fn get(self, name: &str) -> Option<Cow<'a, str>> {
        self.raw_pairs().find(|(key, _)| same_name(key, name)).map(|(_, value)| decode(value))
    }

    /// The value where it is there and not empty.
    pub fn filled(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub fn has(self, name: &str) -> bool {
        self.raw_pairs().any(|(key, _)| same_name(key, name))
    }
}

fn same_name(raw: &str, name: &str) -> bool {
    raw == name || (raw.contains('%') && decode(raw) == name)
}

/// Form decoding: `+` is a space.
fn decode(raw: &str) -> Cow<'_, str> {
    if raw.contains('+') {
        let spaced = raw.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(raw).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, name: &str, want: Option<&str>) {
        assert_eq!(Query::new(Some(query)).get(name).as_deref(), want, "{query} {name}");
    }

    #[test]
    fn values() {
        check("a=1&b=2", "b", Some("2"));
        check("a=1&a=2", "a", Some("1"));
        check("uploads", "uploads", Some(""));
        check("delete=", "delete", Some(""));
        check("prefix=a%2Fb+c%2B", "prefix", Some("a/b c+"));
        check("continuation%2Dtoken=x", "continuation-token", Some("x"));
        check("", "a", None);
        check("&&=x&a", "a", Some(""));
        check("k=%ff", "k", Some("\u{fffd}"));
    }
}
