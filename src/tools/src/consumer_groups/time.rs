//! Points in time as --to-datetime and --by-duration take them.

use anyhow::{Context, Result, anyhow};
use regex::{Captures, Regex};

const DATETIME: &str = r"(?x)^(\d{1,6})-(\d{1,2})-(\d{1,2})T(\d{1,2}):(\d{1,2}):(\d{1,2})\.(\d{1,3})
    (?:Z|([+-])(\d{2}):?(\d{2})?)?$";
const DURATION: &str = r"(?xi)^([+-]?)P(?:([+-]?\d+)D)?
    (T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?)(\d+)(?:[.,](\d{0,9}))?S)?)?$";

/// Milliseconds since the Unix epoch of `YYYY-MM-DDTHH:mm:SS.sss`, in UTC unless `Z`, `+hh`, `+hhmm`
/// or `+hh:mm` follows. The digits after the point are a number of milliseconds (Kafka's
/// `Utils.getDateTime`).
pub(super) fn datetime_ms(text: &str) -> Result<i64> {
    let wrong = || anyhow!("{text} is not a time of the form YYYY-MM-DDTHH:mm:SS.sss");
    let pattern = Regex::new(DATETIME).context("the pattern of a time")?;
    let parts = pattern.captures(text).ok_or_else(wrong)?;
    let [year, month, day] = [1, 2, 3].map(|i| number(&parts, i));
    let [hour, minute, second, ms] = [4, 5, 6, 7].map(|i| number(&parts, i));
    let [zone_hours, zone_minutes] = [9, 10].map(|i| number(&parts, i));
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && zone_hours < 24
        && zone_minutes < 60;
    if !in_range {
        return Err(wrong());
    }
    let minutes = (days_from_epoch(year, month, day) * 24 + hour) * 60 + minute;
    let zone = zone_hours * 60 + zone_minutes;
    let minutes = match parts.get(8).map(|sign| sign.as_str()) {
        Some("-") => minutes + zone,
        Some(_) | None => minutes - zone,
    };
    Ok((minutes * 60 + second) * 1000 + ms)
}

/// Milliseconds of an ISO 8601 duration `PnDTnHnMn.nS` as Java reads it: every part may have a
/// sign, and so may the whole.
pub(super) fn duration_ms(text: &str) -> Result<i64> {
    let wrong = || anyhow!("{text} is not a duration of the form PnDTnHnMnS");
    let pattern = Regex::new(DURATION).context("the pattern of a duration")?;
    let parts = pattern.captures(text).ok_or_else(wrong)?;
    let time = parts.get(3).map(|t| t.as_str());
    if time.is_some_and(|t| t.len() == 1) || (time.is_none() && parts.get(2).is_none()) {
        return Err(wrong());
    }
    let whole = |index, ms: i64| -> Option<i64> {
        match parts.get(index) {
            Some(digits) => digits.as_str().parse::<i64>().ok()?.checked_mul(ms),
            None => Some(0),
        }
    };
    let total = || {
        let fraction = format!("{:0<3}", parts.get(8).map_or("", |f| f.as_str()));
        let below_second: i64 = fraction.get(..3)?.parse().ok()?;
        let seconds = whole(7, 1000)?.checked_add(below_second)?;
        let seconds = match parts.get(6).map(|sign| sign.as_str()) {
            Some("-") => seconds.checked_neg()?,
            Some(_) | None => seconds,
        };
        let sum = whole(2, 86_400_000)?
            .checked_add(whole(4, 3_600_000)?)?
            .checked_add(whole(5, 60_000)?)?
            .checked_add(seconds)?;
        match parts.get(1).map(|sign| sign.as_str()) {
            Some("-") => sum.checked_neg(),
            Some(_) | None => Some(sum),
        }
    };
    total().ok_or_else(wrong)
}

/// A part that is a number of at most six digits; 0 if it was left out.
fn number(parts: &Captures<'_>, index: usize) -> i64 {
    let digits = parts.get(index).map_or("0", |part| part.as_str());
    digits.parse().unwrap_or(0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar: years are counted from March, so that the leap
/// day is the last of its year.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days_before_month = (153 * month + 2) / 5;
    year * 365 + leap_days + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(datetime_ms(text).ok(), expected, "{text}");
        };
        check("1970-01-01T00:00:00.000", Some(0));
        check("1970-01-01T00:00:00.000Z", Some(0));
        check("1970-01-01T00:00:00.5", Some(5));
        check("2000-02-29T12:34:56.789", Some(951_827_696_789));
        check("2024-03-01T00:00:00.000", Some(1_709_251_200_000));
        check("1969-12-31T23:59:59.999", Some(-1));
        check("1970-01-01T02:00:00.000+02:00", Some(0));
        check("1970-01-01T02:30:00.000+0230", Some(0));
        check("1969-12-31T22:00:00.000-02", Some(0));
        check("1970-01-01T00:00:00", None);
        check("1970-01-01", None);
        check("1970-13-01T00:00:00.000", None);
        check("2023-02-29T00:00:00.000", None);
        check("1970-01-01T24:00:00.000", None);
        check("", None);
    }

    #[test]
    fn durations() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(duration_ms(text).ok(), expected, "{text}");
        };
        check("P1D", Some(86_400_000));
        check("PT1H", Some(3_600_000));
        check("p1dt2h3m4.5s", Some(93_784_500));
        check("PT-1H30M", Some(-1_800_000));
        check("-PT1M", Some(-60_000));
        check("PT-0.5S", Some(-500));
        check("PT1.S", Some(1000));
        check("PT0S", Some(0));
        check("P", None);
        check("PT", None);
        check("P1DT", None);
        check("1D", None);
        check("P1Y", None);
        check("P99999999999999999999D", None);
        check("P9223372036854775807D", None);
    }
}
