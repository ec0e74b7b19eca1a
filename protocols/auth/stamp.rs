//! Moments as signatures write them: `20130524T000000Z`, and the dates of HTTP and of mail.

use storage::Timestamp;

/// `yyyyMMdd'T'HHmmss'Z'`, in bytes.
pub const STAMP_BYTES: usize = 16;
const DATE_BYTES: usize = 8;
const MS_PER_SECOND: u64 = 1000;
const SECONDS_PER_DAY: u64 = 86_400;

/// When a request was signed, and the text that went into the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub time: Timestamp,
    text: [u8; STAMP_BYTES],
}

impl Stamp {
    /// Reads the basic format and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let text: [u8; STAMP_BYTES] = text.as_bytes().try_into().ok()?;
        if text[8] != b'T' || text[15] != b'Z' {
            return None;
        }
        let days = days(&text[..DATE_BYTES])?;
        let (hour, minute, second) = (number(&text[9..11])?, number(&text[11..13])?, number(&text[13..15])?);
        // 60: a leap second, which counts as the next second.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Some(Self { time: Timestamp(seconds * MS_PER_SECOND), text })
    }

    /// Reads the basic format or any date a `Date` header may hold.
    pub fn parse_any(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| Self::at(parse_date(text)?))
    }

    fn at(time: Timestamp) -> Option<Self> {
        let moment = jiff::Timestamp::from_second(i64::try_from(time.seconds()).ok()?).ok()?;
        Self::parse(&moment.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    pub fn as_bytes(&self) -> &[u8; STAMP_BYTES] {
        &self.text
    }

    pub fn as_str(&self) -> &str {
        // Only ASCII digits, `T` and `Z` pass `parse`.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The `yyyyMMdd` in front.
    pub fn date(&self) -> &str {
        &self.as_str()[..DATE_BYTES]
    }
}

/// An HTTP date, or the mail date with an offset that older S3 clients send.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    if let Ok(time) = httpdate::parse_http_date(text) {
        let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        return Some(Timestamp(since.as_secs() * MS_PER_SECOND));
    }
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    Some(Timestamp(u64::try_from(moment.as_second()).ok()? * MS_PER_SECOND))
}

/// Is it `yyyyMMdd`, and a day that exists?
pub fn is_date(text: &str) -> bool {
    text.len() == DATE_BYTES && days(text.as_bytes()).is_some()
}

/// Days from the epoch to `yyyyMMdd`; none before it.
fn days(text: &[u8]) -> Option<u64> {
    let (year, month, day) = (number(&text[..4])?, number(&text[4..6])?, number(&text[6..8])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > length {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    // The same count on 1970-01-01.
    days.checked_sub(719_468)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Option<(u64, &str)>) {
        let got = Stamp::parse_any(text);
        assert_eq!(got.as_ref().map(|stamp| (stamp.time.seconds(), stamp.as_str())), want, "{text}");
    }

    #[test]
    fn moments() {
        check("20130524T000000Z", Some((1_369_353_600, "20130524T000000Z")));
        check("19700101T000000Z", Some((0, "19700101T000000Z")));
        check("20240229T235959Z", Some((1_709_251_199, "20240229T235959Z")));
        check("Fri, 24 May 2013 00:00:00 GMT", Some((1_369_353_600, "20130524T000000Z")));
        check("Tue, 27 Mar 2007 19:36:42 +0000", Some((1_175_024_202, "20070327T193642Z")));
        check("Tue, 27 Mar 2007 20:36:42 +0100", Some((1_175_024_202, "20070327T193642Z")));
        check("20230229T000000Z", None);
        check("20231301T000000Z", None);
        check("20230100T000000Z", None);
        check("20230101T240000Z", None);
        check("20230101 000000Z", None);
        check("2023-01-01T00:00:00Z", None);
        check("+0130524T000000Z", None);
        check("", None);
        check("ééééééééé", None);
    }
}
