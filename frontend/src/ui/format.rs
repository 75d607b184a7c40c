//! Numbers as text. Pure, in English, with the same units everywhere.

/// Formats a count with separators: `500,000`.
pub fn thousands(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if count < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its noun: `1 row`, `2,000 rows`.
pub fn counted(count: i64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// Formats a size in decimal units, from kB on with one decimal: `86.4 MB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(size: i64) -> String {
    let mut value = size as f64;
    if value < 1000.0 {
        return format!("{size} B");
    }
    let mut units = ["kB", "MB", "GB", "TB"].into_iter();
    let mut unit = "B";
    // 999.95 would be rounded to 1000.0.
    while value >= 999.95 {
        let Some(next) = units.next() else { break };
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Formats a rate, rounded so that it can be read while it changes: `52,300`.
#[expect(clippy::cast_possible_truncation, reason = "rates are far below the limit")]
pub fn rate(per_second: f64) -> String {
    let step = if per_second >= 10_000.0 {
        100.0
    } else if per_second >= 1_000.0 {
        10.0
    } else {
        1.0
    };
    thousands(((per_second / step).round() * step) as i64)
}

/// Formats a duration in seconds: `under 0.1 s`, `9.4 s`, `1 min 05 s`, `2 h 03 min`.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.1 {
        return "under 0.1 s".to_owned();
    }
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    whole_seconds(seconds)
}

/// Formats a running time in seconds, without tenths, which would flicker: `9 s`, `1 min 05 s`.
#[expect(clippy::cast_possible_truncation, reason = "an import lasts less than billions of years")]
pub fn whole_seconds(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as i64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// Formats an estimate in seconds, coarser the longer it is: `8 s`, `45 s`, `2 min 30 s`.
pub fn time_left(seconds: f64) -> String {
    let step = if seconds < 20.0 {
        1.0
    } else if seconds < 90.0 {
        5.0
    } else {
        30.0
    };
    whole_seconds((seconds / step).ceil() * step)
}

/// Formats a fraction as a percentage, below 100 before the end: `45 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", whole_percent(share))
}

/// Returns the number of [`percent`].
#[expect(clippy::cast_possible_truncation, reason = "it is at most 100")]
pub fn whole_percent(share: f64) -> i64 {
    (share.clamp(0.0, 1.0) * 100.0).floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
        assert_eq!(thousands(-1_234), "−1,234");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2_000, "row"), "2,000 rows");
    }

    #[test]
    fn sizes_change_their_unit_before_a_thousand() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_000), "1.0 kB");
        assert_eq!(bytes(999_949), "999.9 kB");
        assert_eq!(bytes(999_950), "1.0 MB");
        assert_eq!(bytes(86_370_000), "86.4 MB");
    }

    #[test]
    fn rates_are_rounded_to_be_readable() {
        assert_eq!(rate(7.4), "7");
        assert_eq!(rate(1_234.0), "1,230");
        assert_eq!(rate(52_349.0), "52,300");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        assert_eq!(duration(0.04), "under 0.1 s");
        assert_eq!(duration(9.44), "9.4 s");
        assert_eq!(duration(65.0), "1 min 05 s");
        assert_eq!(duration(7_380.0), "2 h 03 min");
        assert_eq!(whole_seconds(9.9), "9 s");
        assert_eq!(whole_seconds(-1.0), "0 s");
    }

    #[test]
    fn estimates_are_rounded_up_and_coarser_the_longer() {
        assert_eq!(time_left(0.2), "1 s");
        assert_eq!(time_left(41.0), "45 s");
        assert_eq!(time_left(121.0), "2 min 30 s");
    }

    #[test]
    fn only_the_end_is_at_100_percent() {
        assert_eq!(percent(0.999), "99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(whole_percent(f64::from(3_u8)), 100);
    }
}
