//! Labels of deliveries and webhooks. Pure.

use chrono::{DateTime, Utc};
use shared::webhook::{AttemptError, Delivery, DeliveryStatus, DisabledReason, Webhook};

use crate::ui::Tone;

/// Returns the state of a delivery in one word.
pub const fn status(delivery: &Delivery) -> (Tone, &'static str) {
    match (delivery.status, delivery.attempts) {
        (DeliveryStatus::Delivered, _) => (Tone::Good, "Delivered"),
        (DeliveryStatus::Failed, _) => (Tone::Bad, "Failed"),
        (DeliveryStatus::Pending, _) if delivery.paused => (Tone::Neutral, "Paused"),
        (DeliveryStatus::Unknown, _) => (Tone::Neutral, "Unknown"),
        (DeliveryStatus::Pending, 0) => (Tone::Neutral, "Waiting"),
        (DeliveryStatus::Pending, _) => (Tone::Warning, "Retrying"),
    }
}

pub const fn status_choice(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => "Waiting or retrying",
        DeliveryStatus::Delivered => "Delivered",
        DeliveryStatus::Failed => "Failed",
        DeliveryStatus::Unknown => "Unknown",
    }
}

/// Returns when the next attempt is made, if there is one.
pub fn next_attempt(delivery: &Delivery, now: DateTime<Utc>) -> Option<String> {
    if delivery.paused {
        return Some("until the webhook is enabled".to_owned());
    }
    delivery.next_attempt_at.map(|at| format!("next {}", until(at, now)))
}

/// Returns the result of an attempt in at most two words.
pub fn outcome(code: Option<u16>, error: Option<AttemptError>) -> String {
    match (code, error) {
        // A response that ends early may have both.
        (_, Some(error)) => class(error).to_owned(),
        (Some(code), None) => code.to_string(),
        (None, None) => "–".to_owned(),
    }
}

/// Returns an error in a few words.
pub const fn class(error: AttemptError) -> &'static str {
    match error {
        AttemptError::Dns => "Host not found",
        AttemptError::Connect => "No connection",
        AttemptError::Timeout => "Timed out",
        AttemptError::Http => "Invalid response",
        AttemptError::Forbidden => "Address not allowed",
        AttemptError::Unknown => "Unknown error",
    }
}

/// Returns what a user can do about a failed attempt; `None` where it succeeded.
pub const fn advice(code: Option<u16>, error: Option<AttemptError>) -> Option<&'static str> {
    Some(match (error, code) {
        (Some(AttemptError::Dns), _) => "The host name has no address, or the name server did not answer.",
        (Some(AttemptError::Connect), _) => "The server refused the connection or did not answer, or TLS failed.",
        (Some(AttemptError::Timeout), _) => {
            "The response was not complete within the deadline. Respond first, then process the message."
        }
        (Some(AttemptError::Http), _) => "The response was not HTTP, or it ended early.",
        (Some(AttemptError::Forbidden), _) => {
            "The host has an address that must not be called, such as one in a private network."
        }
        (Some(AttemptError::Unknown), _) => "The error is known to a newer version only. Reload the page.",
        (None, Some(200..=299) | None) => return None,
        (None, Some(300..=399)) => "Redirects are not followed. Enter the final URL.",
        (None, Some(401 | 403)) => "The receiver rejected the request. Check that it uses the current secret.",
        (None, Some(404 | 405)) => "The receiver does not accept POST requests at this path. Check the URL.",
        (None, Some(410)) => "The receiver asks for no further messages.",
        (None, Some(429)) => "The receiver got too many requests; the next attempt is made later.",
        (None, Some(400..=499)) => "The receiver rejected the message; its response may say why.",
        (None, Some(_)) => "The receiver returned a server error; its response or its log may say why.",
    })
}

/// Returns why a webhook is disabled, and what that means; `None` where it is enabled.
pub fn disabled(webhook: &Webhook) -> Option<(Tone, &'static str, &'static str)> {
    let (tone, title, text) = match webhook.disabled_reason.unwrap_or(DisabledReason::Unknown) {
        DisabledReason::Manual => (
            Tone::Neutral,
            "Disabled manually",
            "It gets no new messages. Pending deliveries are kept, and sent when it is enabled.",
        ),
        DisabledReason::Gone => (
            Tone::Warning,
            "Disabled: the receiver answered 410 Gone",
            "It asks for no further messages. Pending deliveries are kept.",
        ),
        DisabledReason::Failing => (
            Tone::Warning,
            "Disabled: all attempts failed for five days",
            "Pending deliveries are kept. When the receiver works again, enable it and replay the failed deliveries.",
        ),
        DisabledReason::Unknown => (
            Tone::Neutral,
            "Disabled",
            "It gets no new messages. Pending deliveries are kept, and sent when it is enabled.",
        ),
    };
    (!webhook.enabled).then_some((tone, title, text))
}

/// Returns the time until `then`: `in 42 s`, `in 5 min`, `in 3 h`; `now` where it is past.
pub fn until(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (then - now).num_seconds() {
        ..1 => "now".to_owned(),
        s @ 1..60 => format!("in {s} s"),
        s @ 60..3_600 => format!("in {} min", s / 60),
        s => format!("in {} h", s / 3_600),
    }
}

/// Formats microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a deadline are exact")]
pub fn milliseconds(us: i64) -> String {
    let ms = us as f64 / 1_000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_future_time_is_shown_in_its_largest_unit() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a moment");
        let after = |seconds| until(now + TimeDelta::seconds(seconds), now);
        assert_eq!([after(-5), after(59), after(300), after(7_300)], ["now", "in 59 s", "in 5 min", "in 2 h"]);
    }

    #[test]
    fn a_success_needs_no_advice_and_every_failure_gets_one() {
        assert_eq!(advice(Some(204), None), None);
        for code in [301, 400, 404, 410, 429, 500] {
            assert!(advice(Some(code), None).is_some(), "{code}");
        }
        assert!(advice(Some(200), Some(AttemptError::Http)).is_some());
        assert_eq!(outcome(Some(200), Some(AttemptError::Http)), "Invalid response");
    }

    #[test]
    fn a_delivery_of_a_disabled_webhook_waits_until_that_is_enabled() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a moment");
        let retrying = Delivery {
            id: 1,
            webhook_id: 1,
            event_id: "msg_1".into(),
            kind: shared::webhook::WebhookEvent::ProductCreated,
            status: DeliveryStatus::Pending,
            test: false,
            attempts: 1,
            last_code: Some(410),
            last_error: None,
            last_duration_ms: Some(3),
            last_attempt_at: Some(now),
            next_attempt_at: Some(now),
            paused: false,
            created_at: now,
        };
        assert_eq!((status(&retrying).1, next_attempt(&retrying, now).as_deref()), ("Retrying", Some("next now")));
        let paused = Delivery { paused: true, next_attempt_at: None, ..retrying };
        let note = next_attempt(&paused, now);
        assert_eq!((status(&paused).1, note.as_deref()), ("Paused", Some("until the webhook is enabled")));
    }

    #[test]
    fn short_times_keep_a_decimal() {
        assert_eq!([milliseconds(340), milliseconds(12_700)], ["0.3 ms", "13 ms"]);
    }
}
