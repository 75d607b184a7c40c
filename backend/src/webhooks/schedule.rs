//! When a delivery that failed is tried again.

use std::time::{Duration, SystemTime};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Pauses after the first, second ... failure, in seconds: nine, so ten attempts within about three days.
const SCHEDULE: [u64; 9] = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// Share by which a pause is longer or shorter, so that what failed together is not tried together.
const JITTER: f64 = 0.2;

/// What a receiver may ask for with `Retry-After`: at most the longest pause of the schedule.
const LONGEST_WISH: Duration = Duration::from_secs(24 * HOUR);

/// Pause after failure number `failures`, or `None` when the schedule is used up. `jitter` is in `-1.0..=1.0`. What the
/// receiver asks for makes a pause longer, never shorter.
pub fn pause(failures: usize, jitter: f64, wish: Option<Duration>) -> Option<Duration> {
    let seconds = SCHEDULE.get(failures.checked_sub(1)?)?;
    let planned = Duration::from_secs(*seconds).mul_f64(1.0 + JITTER * jitter);
    Some(wish.map_or(planned, |wish| planned.max(wish.min(LONGEST_WISH))))
}

/// The pause that the value of `Retry-After` asks for: seconds, or a date. `None` where it is neither, or is past.
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
    fn nine_pauses_grow_from_seconds_to_a_day_and_then_it_is_given_up() {
        let pauses: Vec<_> = (1..).map_while(|failures| pause(failures, 0.0, None)).map(|p| p.as_secs()).collect();
        assert_eq!(pauses, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(pause(0, 0.0, None), None);
    }

    #[test]
    fn jitter_moves_a_pause_by_a_fifth_at_most() {
        assert_eq!(pause(2, -1.0, None), Some(Duration::from_mins(4)));
        assert_eq!(pause(2, 1.0, None), Some(Duration::from_mins(6)));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_less_and_not_for_ever() {
        let seconds = Duration::from_secs;
        assert_eq!(pause(1, 0.0, Some(seconds(60))), Some(seconds(60)));
        assert_eq!(pause(3, 0.0, Some(seconds(60))), Some(seconds(1_800)));
        assert_eq!(pause(1, 0.0, Some(seconds(u64::MAX))), Some(seconds(86_400)));
        assert_eq!(pause(10, 0.0, Some(seconds(60))), None);
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
