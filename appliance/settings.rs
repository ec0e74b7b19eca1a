//! The kinds of values that settings have, read from the same text whether it stands in a flag, a variable or
//! the configuration file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A port to listen on; `off` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub Option<u16>);

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(None)),
            text => text
                .parse()
                .map(|port| Self(Some(port)))
                .map_err(|_| "a port from 0 (any free one) to 65535, or off".to_owned()),
        }
    }
}

/// A number of bytes: `10G`, `512MiB`; units are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u32); 5] = [("", 0), ("k", 10), ("m", 20), ("g", 30), ("t", 40)];
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = lower.split_at(digits);
        let unit = unit.trim_start().trim_end_matches("ib").trim_end_matches('b');
        let shift = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, shift)| *shift);
        let bytes = number.parse::<u64>().ok().zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
        bytes.filter(|bytes| *bytes > 0).map(Self).ok_or_else(|| "a size such as 20G or 512M".to_owned())
    }
}

/// A length of time: `30` (seconds), `30s`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = protocols::mockfactory::durations::parse_ms(text);
        ms.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| "a duration such as 30s or 2h".to_owned())
    }
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process.
    Process,
    /// The loss of power.
    Power,
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "process" => Ok(Self::Process),
            "power" => Ok(Self::Power),
            _ => Err("process or power".to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("text or json".to_owned()),
        }
    }
}

/// From a file: text, or a number that stands for itself.
pub fn from_file<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    let text = Text::deserialize(deserializer)?;
    text.0.parse().map(Some).map_err(|expected| de::Error::custom(format_args!("expected {expected}")))
}

struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // a case reads better without a reference
    fn check<T: FromStr<Err = String> + PartialEq + fmt::Debug>(text: &str, want: Option<T>) {
        assert_eq!(text.parse::<T>().ok(), want, "{text:?}");
    }

    #[test]
    fn values() {
        check("8080", Some(Port(Some(8080))));
        check("0", Some(Port(Some(0))));
        check("off", Some(Port(None)));
        check::<Port>("65536", None);
        check::<Port>("", None);
        check("20G", Some(Size(20 << 30)));
        check("512MiB", Some(Size(512 << 20)));
        check("4096", Some(Size(4096)));
        check("1 tb", Some(Size(1 << 40)));
        check::<Size>("0", None);
        check::<Size>("G", None);
        check::<Size>("5x", None);
        check::<Size>("99999999999T", None);
        check("30", Some(Span(Duration::from_secs(30))));
        check("2h", Some(Span(Duration::from_hours(2))));
        check::<Span>("soon", None);
        check("power", Some(Durability::Power));
        check::<Durability>("none", None);
    }
}
