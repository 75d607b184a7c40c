//! How deliveries are spoken of. Pure.

use chrono::{DateTime, Utc};
use shared::webhook::{AttemptError, Delivery, DeliveryStatus, DisabledReason, Webhook, WebhookEvent};

use crate::ui::Tone;

/// What has happened when this is sent.
pub const fn event(kind: WebhookEvent) -> &'static str {
    match kind {
        WebhookEvent::ProductCreated => "A product was added by hand",
        WebhookEvent::ProductUpdated => "A product was changed by hand",
        WebhookEvent::ProductDeleted => "A product was deleted by hand",
        WebhookEvent::ImportCompleted => "An import is complete, with its balance",
        WebhookEvent::ImportFailed => "An import has failed, with the reason",
        WebhookEvent::Test => "A test from this page",
    }
}

/// Where a delivery stands, in a word.
pub const fn status(delivery: &Delivery) -> (Tone, &'static str) {
    match (delivery.status, delivery.attempts) {
        (DeliveryStatus::Delivered, _) => (Tone::Good, "Delivered"),
        (DeliveryStatus::Failed, _) => (Tone::Bad, "Failed"),
        (DeliveryStatus::Pending, 0) => (Tone::Neutral, "Waiting"),
        (DeliveryStatus::Pending, _) => (Tone::Warning, "Retrying"),
    }
}

pub const fn status_choice(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => "Waiting or retrying",
        DeliveryStatus::Delivered => "Delivered",
        DeliveryStatus::Failed => "Failed",
    }
}

/// What the last attempt got, in two words.
pub fn outcome(code: Option<u16>, error: Option<AttemptError>) -> String {
    match (code, error) {
        // What breaks off after the head of the answer has both.
        (_, Some(error)) => class(error).to_owned(),
        (Some(code), None) => code.to_string(),
        (None, None) => "–".to_owned(),
    }
}

/// A class of errors in a few words.
pub const fn class(error: AttemptError) -> &'static str {
    match error {
        AttemptError::Dns => "Host not found",
        AttemptError::Connect => "No connection",
        AttemptError::Timeout => "Timed out",
        AttemptError::Http => "Broken answer",
        AttemptError::Forbidden => "Address not allowed",
    }
}

/// What a person may do about an attempt; nothing where it succeeded.
pub const fn advice(code: Option<u16>, error: Option<AttemptError>) -> Option<&'static str> {
    Some(match (error, code) {
        (Some(AttemptError::Dns), _) => "The host name has no address, or the name server did not answer.",
        (Some(AttemptError::Connect), _) => "Nobody takes connections there, or TLS could not be agreed on.",
        (Some(AttemptError::Timeout), _) => {
            "The answer was not complete within the deadline. Answer first, then do the work."
        }
        (Some(AttemptError::Http), _) => "What came was not HTTP, or it ended too early.",
        (Some(AttemptError::Forbidden), _) => {
            "The host leads to an address that may not be called, such as one of a private network."
        }
        (None, Some(200..=299) | None) => return None,
        (None, Some(300..=399)) => "Redirects are not followed: enter the URL that they lead to.",
        (None, Some(401 | 403)) => "The receiver does not let this in. Does it check the right secret?",
        (None, Some(404 | 405)) => "The receiver is there, but expects nothing at this path.",
        (None, Some(410)) => "The receiver does not want to be called any more.",
        (None, Some(429)) => "The receiver is called too often; the next attempt comes later.",
        (None, Some(400..=499)) => "The receiver refused the message; its answer may say why.",
        (None, Some(_)) => "The receiver had trouble of its own; its answer or its log may say why.",
    })
}

/// Why a webhook is switched off, and what then happens; nothing where it is on.
pub fn disabled(webhook: &Webhook) -> Option<(Tone, &'static str, &'static str)> {
    let (tone, title, text) = match webhook.disabled_reason.unwrap_or(DisabledReason::ByHand) {
        DisabledReason::ByHand => (
            Tone::Neutral,
            "Switched off by hand",
            "It is told of nothing new. What was pending is kept, and goes on when it is switched on.",
        ),
        DisabledReason::Gone => (
            Tone::Warning,
            "Switched off: the receiver answered 410 Gone",
            "It said that it does not want to be called any more. Nothing that was pending is lost.",
        ),
        DisabledReason::Failing => (
            Tone::Warning,
            "Switched off: nothing but failures for five days",
            "Nothing that was pending is lost. When the receiver is well, switch it on and replay what has failed.",
        ),
    };
    (!webhook.enabled).then_some((tone, title, text))
}

/// How long it is until something: `in 42 s`, `in 5 min`, `in 3 h`; `now` where it is due.
pub fn until(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (then - now).num_seconds() {
        ..1 => "now".to_owned(),
        s @ 1..60 => format!("in {s} s"),
        s @ 60..3_600 => format!("in {} min", s / 60),
        s => format!("in {} h", s / 3_600),
    }
}

/// A time of so many microseconds, in milliseconds.
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
    fn the_future_is_told_in_its_largest_unit() {
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
        assert_eq!(outcome(Some(200), Some(AttemptError::Http)), "Broken answer");
    }

    #[test]
    fn short_times_keep_a_decimal() {
        assert_eq!([milliseconds(340), milliseconds(12_700)], ["0.3 ms", "13 ms"]);
    }
}
