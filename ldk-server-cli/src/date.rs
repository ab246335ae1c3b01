//! Times as people write them: days, in UTC.

use std::fmt;
use std::str::FromStr;

const SECS_PER_DAY: u64 = 86_400;

/// A time in Unix seconds, given as that or as the day that it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) u64);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = text.parse().ok().or_else(|| begin_of_day(text));
        time.map(Self).ok_or_else(|| {
            "is neither a day, such as 2026-11-27, nor a number of seconds since 1970".to_owned()
        })
    }
}

/// As the date and time of ISO 8601.
impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0 / SECS_PER_DAY);
        let secs = self.0 % SECS_PER_DAY;
        let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn begin_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let [year, month, day] = [parts.next()?, parts.next()?, parts.next()?];
    let is_date = parts.next().is_none() && (year.len(), month.len(), day.len()) == (4, 2, 2);
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let days = days_of(year, month, day).filter(|_| is_date)?;
    // A day that the month does not have is one of the next.
    (date_of(days) == (year, month, day)).then_some(days * SECS_PER_DAY)
}

/// The days from 1970 to this date. Years are counted from March, so that the leap day is the last.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month > 2 { year } else { year.checked_sub(1)? };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day;
    (365 * year + year / 4 - year / 100 + year / 400 + day_of_year).checked_sub(719_469)
}

/// The date that is so many days after the beginning of 1970: year, month and day.
fn date_of(days: u64) -> (u64, u64, u64) {
    // From the first of March of the year 0, in cycles of 400 years.
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_seconds_are_times() {
        for (text, secs) in [
            ("0", 0),
            ("1970-01-01", 0),
            ("1970-01-02", 86_400),
            ("2000-02-29", 951_782_400),
            ("2000-03-01", 951_868_800),
            ("2026-11-27", 1_795_737_600),
            ("1795737600", 1_795_737_600),
        ] {
            assert_eq!(text.parse(), Ok(Time(secs)), "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in
            ["", "-1", "today", "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "1969-12-31"]
        {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_written_as_it_is_read() {
        for day in 0..146_097 {
            let (year, month, date) = date_of(day);
            assert_eq!(days_of(year, month, date), Some(day), "{year}-{month}-{date}");
        }
        assert_eq!(Time(951_782_400 + 3_723).to_string(), "2000-02-29T01:02:03Z");
    }
}
