//! When a failed delivery is attempted again.

use std::time::{Duration, SystemTime};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Delays after the first, second … failure, in seconds: nine, so ten attempts within about three days.
const DELAYS_SECONDS: [u64; 9] =
    [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// Share by which a delay is longer or shorter, so that deliveries that failed together are not attempted together.
const JITTER: f64 = 0.2;

/// Upper limit of `Retry-After`: the longest delay of the schedule.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * HOUR);

/// Returns the delay after failure number `failures`, or `None` when all attempts are used up. `jitter` is in `-1.0..=1.0`.
/// `retry_after`, which the receiver asked for, makes a delay longer, never shorter.
pub fn delay(failures: usize, jitter: f64, retry_after: Option<Duration>) -> Option<Duration> {
    let seconds = DELAYS_SECONDS.get(failures.checked_sub(1)?)?;
    let planned = Duration::from_secs(*seconds).mul_f64(1.0 + JITTER * jitter);
    Some(retry_after.map_or(planned, |asked| planned.max(asked.min(MAX_RETRY_AFTER))))
}

/// Parses the value of `Retry-After`: seconds, or a date. `None` where it is neither, or in the past.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_delays_grow_from_seconds_to_a_day_and_then_the_delivery_fails() {
        let delays: Vec<_> =
            (1..).map_while(|failures| delay(failures, 0.0, None)).map(|delay| delay.as_secs()).collect();
        assert_eq!(delays, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(delay(0, 0.0, None), None);
    }

    #[test]
    fn jitter_changes_a_delay_by_at_most_a_fifth() {
        assert_eq!(delay(2, -1.0, None), Some(Duration::from_mins(4)));
        assert_eq!(delay(2, 1.0, None), Some(Duration::from_mins(6)));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_less_and_not_for_ever() {
        let seconds = Duration::from_secs;
        assert_eq!(delay(1, 0.0, Some(seconds(60))), Some(seconds(60)));
        assert_eq!(delay(3, 0.0, Some(seconds(60))), Some(seconds(1_800)));
        assert_eq!(delay(1, 0.0, Some(seconds(u64::MAX))), Some(seconds(86_400)));
        assert_eq!(delay(10, 0.0, Some(seconds(60))), None);
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Tue, 24 Nov 2026 10:00:00 GMT").expect("a date");
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_mins(2)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 10:01:00 GMT", now), Some(Duration::from_mins(1)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 09:59:00 GMT", now), None);
        assert_eq!(retry_after("-5", now), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
