//! Times as S3 writes and reads them: HTTP dates in headers, RFC 3339 with milliseconds in XML.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;
use storage::Timestamp;

/// `Sun, 22 Nov 2026 19:38:42 GMT`
pub fn http_date(at: Timestamp) -> HeaderValue {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at.seconds().min(YEAR_9999)));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Seconds since the epoch at the end of the year 9999, the last an HTTP date can say.
const YEAR_9999: u64 = 253_402_300_799;

/// `2026-11-22T19:38:42.000Z`
pub fn iso(at: Timestamp) -> String {
    let (days, millis) = (at.0 / 86_400_000, at.0 % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
    let (second, milli) = (millis / 1000 % 60, millis % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The same in whole seconds, as listings show: `2026-11-22T19:38:42.000Z`.
pub fn iso_seconds(at: Timestamp) -> String {
    iso(Timestamp(at.0 - at.0 % 1000))
}

/// Year, month and day of a day since 1970-01-01 (proleptic Gregorian, by 400-year eras from 1 March).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Any of HTTP's three date forms.
pub fn parse_http(text: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    let millis = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Some(Timestamp(u64::try_from(millis).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(millis: u64, iso_text: &str, http: &str) {
        assert_eq!(iso(Timestamp(millis)), iso_text);
        assert_eq!(http_date(Timestamp(millis)), http);
        assert_eq!(parse_http(http), Some(Timestamp(millis / 1000 * 1000)));
    }

    #[test]
    fn dates() {
        check(0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT");
        check(951_782_400_123, "2000-02-29T00:00:00.123Z", "Tue, 29 Feb 2000 00:00:00 GMT");
        check(1_795_376_322_000, "2026-11-22T19:38:42.000Z", "Sun, 22 Nov 2026 19:38:42 GMT");
        check(4_107_542_399_999, "2100-02-28T23:59:59.999Z", "Sun, 28 Feb 2100 23:59:59 GMT");
    }

    #[test]
    fn unreadable() {
        assert_eq!(parse_http("yesterday"), None);
    }
}
