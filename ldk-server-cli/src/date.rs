//! Times as people write them: days, in UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime};

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
        let secs = i64::try_from(self.0).ok();
        match secs.and_then(|secs| DateTime::from_timestamp(secs, 0)) {
            Some(time) => time.format("%Y-%m-%dT%H:%M:%SZ").fmt(formatter),
            None => self.0.fmt(formatter),
        }
    }
}

fn begin_of_day(text: &str) -> Option<u64> {
    // Shorter ways to write months and days are none of ours.
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)?;
    date.and_time(NaiveTime::MIN).and_utc().timestamp().try_into().ok()
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
            let begin = Time(day * 86_400);
            let text = begin.to_string();
            assert_eq!(text.split_at(10).1, "T00:00:00Z");
            assert_eq!(text[..10].parse(), Ok(begin));
        }
        assert_eq!(Time(951_782_400 + 3_723).to_string(), "2000-02-29T01:02:03Z");
    }
}
