//! Times: relative in the text, absolute in the tooltip.

use chrono::{DateTime, Local, NaiveDateTime, TimeZone, Utc};
use leptos::prelude::*;

use super::clock::use_now;

/// Formats how long ago a time was: `just now`, `42 s ago`, `3 h ago`; after a week, the date.
pub fn relative(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (now - then).num_seconds() {
        // The clocks of the server and the browser differ a little.
        ..5 => "just now".to_owned(),
        s @ 5..60 => format!("{s} s ago"),
        s @ 60..3_600 => format!("{} min ago", s / 60),
        s @ 3_600..86_400 => format!("{} h ago", s / 3_600),
        86_400..172_800 => "yesterday".to_owned(),
        s @ 172_800..604_800 => format!("{} days ago", s / 86_400),
        _ => then.with_timezone(&Local).format("%-d %b %Y").to_string(),
    }
}

/// Formats date and time in the browser's time zone: `24 Nov 2026, 06:27:20`.
pub fn absolute(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%-d %b %Y, %H:%M:%S").to_string()
}

/// Formats the time of day in the browser's time zone: `06:27:20`.
pub fn time_of_day(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%H:%M:%S").to_string()
}

/// Returns the seconds from one time to another.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a century are exact")]
pub fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).num_milliseconds() as f64 / 1000.0
}

/// Formats a time for `<input type="datetime-local">`, in the browser's time zone.
pub fn to_field(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%dT%H:%M").to_string()
}

/// Parses the value of such a field. In the hour that is repeated when clocks go back, the first time is meant.
pub fn from_field(text: &str) -> Option<DateTime<Utc>> {
    let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
    let local = formats.into_iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    Some(Local.from_local_datetime(&local).earliest()?.with_timezone(&Utc))
}

/// A time relative to now, kept up to date.
#[component]
pub fn Relative(at: DateTime<Utc>) -> impl IntoView {
    let now = use_now();
    // Most texts do not change every second.
    let text = Memo::new(move |_| relative(at, now.get()));
    view! {
        <time datetime=at.to_rfc3339() title=absolute(at)>
            {text}
        </time>
    }
}

/// A time of day.
#[component]
pub fn Moment(at: DateTime<Utc>) -> impl IntoView {
    view! {
        <time datetime=at.to_rfc3339() title=absolute(at)>
            {time_of_day(at)}
        </time>
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_past_is_shown_in_its_largest_unit() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        let ago = |seconds| relative(now - TimeDelta::seconds(seconds), now);
        assert_eq!(ago(-3), "just now");
        assert_eq!(ago(4), "just now");
        assert_eq!(ago(59), "59 s ago");
        assert_eq!(ago(119), "1 min ago");
        assert_eq!(ago(7_300), "2 h ago");
        assert_eq!(ago(90_000), "yesterday");
        assert_eq!(ago(200_000), "2 days ago");
        assert!(ago(1_000_000).ends_with("2027"), "{}", ago(1_000_000));
    }

    #[test]
    fn a_span_keeps_its_milliseconds() {
        let from = DateTime::from_timestamp_millis(1_000).expect("a valid time");
        let to = DateTime::from_timestamp_millis(2_500).expect("a valid time");
        assert!((seconds_between(from, to) - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_field_has_a_time_to_the_minute_or_none() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        assert_eq!(from_field(&to_field(at)), Some(at));
        assert_eq!(from_field("2026-11-24"), None);
    }
}
