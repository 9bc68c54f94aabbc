//! A calendar day (UTC) out of a count of seconds, for people to read.

use std::fmt;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day of the Gregorian calendar; shown as `3 March 2026`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    year: u64,
    month: u64,
    day: u64,
}

impl Day {
    /// The UTC day in which the second `unix_seconds` falls.
    pub(crate) fn from_unix(unix_seconds: u64) -> Self {
        // Howard Hinnant's civil_from_days: years begin in March, so that a leap day is the last of its year.
        let days = unix_seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Self { year, month, day }
    }

    /// The same day for machines: `2026-03-03`.
    pub(crate) fn iso(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            MONTHS.iter().zip(1..).find(|(_, number)| *number == self.month).map_or("", |(name, _)| *name);
        write!(f, "{} {name} {}", self.day, self.year)
    }
}

#[cfg(test)]
mod tests {
    use super::Day;

    #[test]
    fn a_second_falls_in_its_utc_day() {
        for (seconds, shown, iso) in [
            (0, "1 January 1970", "1970-01-01"),
            (951_782_399, "28 February 2000", "2000-02-28"),
            (951_782_400, "29 February 2000", "2000-02-29"),
            (951_868_800, "1 March 2000", "2000-03-01"),
            (1_798_761_599, "31 December 2026", "2026-12-31"),
            (4_107_542_400, "1 March 2100", "2100-03-01"),
        ] {
            let day = Day::from_unix(seconds);
            assert_eq!((day.to_string().as_str(), day.iso().as_str()), (shown, iso));
        }
    }
}
