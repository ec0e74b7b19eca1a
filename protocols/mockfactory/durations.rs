//! Durations as people write them: `90`, `90s`, `2h`, `1d12h`.

/// Longest duration that is accepted anywhere: ten years, in milliseconds.
pub const DURATION_MAX_MS: u64 = 10 * 365 * 24 * 3600 * 1000;

const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 7 * 86_400_000)];

/// Milliseconds. A bare number counts seconds; units may follow one another (`1h30m`).
pub fn parse_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return bounded(rest.parse::<u64>().ok()?.checked_mul(1000)?);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (_, unit_ms) = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters])?;
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(*unit_ms)?)?;
    }
    bounded(total)
}

/// Seconds as a JSON number, as milliseconds.
pub fn from_seconds(seconds: u64) -> Option<u64> {
    bounded(seconds.checked_mul(1000)?)
}

fn bounded(ms: u64) -> Option<u64> {
    (1..=DURATION_MAX_MS).contains(&ms).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<u64>) {
        assert_eq!(parse_ms(text), want, "{text:?}");
    }

    #[test]
    fn as_people_write_them() {
        check("90", Some(90_000));
        check("90s", Some(90_000));
        check("2h", Some(7_200_000));
        check("1d12h", Some(129_600_000));
        check("1h30m", Some(5_400_000));
        check("250ms", Some(250));
        check("1w", Some(604_800_000));
        check(" 5m ", Some(300_000));
        check("3650d", Some(DURATION_MAX_MS));
        check("3651d", None);
        check("0", None);
        check("0s", None);
        check("", None);
        check("h", None);
        check("2", Some(2000));
        check("2x", None);
        check("2h3", None);
        check("-2h", None);
        check("1.5h", None);
        check("2 h", None);
        check("99999999999999999999h", None);
        check("18446744073709551615", None);
        check("é", None);
    }
}
