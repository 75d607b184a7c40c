//! The state of the log of a webhook in the URL. Pure.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use shared::webhook::{DeliveryStatus, WebhookEvent};

/// Deliveries on a page.
const LIMIT: u32 = 25;

pub const STATUSES: [DeliveryStatus; 3] = [DeliveryStatus::Pending, DeliveryStatus::Delivered, DeliveryStatus::Failed];

/// A page of the log, and the delivery that is open next to it. The parameters are those of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogView {
    pub status: Option<DeliveryStatus>,
    pub kind: Option<WebhookEvent>,
    /// Created at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Older than this delivery; the newest ones where it is absent.
    pub before: Option<i64>,
    pub open: Option<i64>,
}

impl LogView {
    /// Reads the parameters of a URL. Invalid ones are ignored.
    pub fn read(parameter: impl Fn(&str) -> Option<String>) -> Self {
        let moment = |text: String| DateTime::parse_from_rfc3339(&text).ok().map(|at| at.with_timezone(&Utc));
        Self {
            status: parameter("status").and_then(|name| status(&name)),
            kind: parameter("kind").and_then(|name| kind(&name)),
            since: parameter("since").and_then(moment),
            before: parameter("before").and_then(|id| id.parse().ok()),
            open: parameter("delivery").and_then(|id| id.parse().ok()),
        }
    }

    /// Returns the query of the API after its first parameter.
    pub fn conditions(&self) -> String {
        format!("{}&limit={LIMIT}", Self { open: None, ..self.clone() }.parameters())
    }

    /// Returns the URL of this page of the log.
    pub fn href(&self, webhook: i64) -> String {
        let parameters = self.parameters();
        match parameters.strip_prefix('&') {
            None => format!("/webhooks/{webhook}"),
            Some(first) => format!("/webhooks/{webhook}?{first}"),
        }
    }

    pub fn opening(&self, delivery: Option<i64>) -> Self {
        Self { open: delivery, ..self.clone() }
    }

    /// Returns the page of older deliveries, with none open.
    pub fn at(&self, before: Option<i64>) -> Self {
        Self { before, open: None, ..self.clone() }
    }

    pub const fn is_filtered(&self) -> bool {
        self.status.is_some() || self.kind.is_some() || self.since.is_some()
    }

    fn parameters(&self) -> String {
        let moment = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let parameters = [
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("kind", self.kind.map(|kind| kind.as_str().to_owned())),
            ("since", self.since.map(moment)),
            ("before", self.before.map(|id| id.to_string())),
            ("delivery", self.open.map(|id| id.to_string())),
        ];
        parameters.iter().fold(String::new(), |mut query, (name, value)| {
            if let Some(value) = value {
                // Writing to a string does not fail, and no value contains a character that needs escaping.
                let _ = write!(query, "&{name}={value}");
            }
            query
        })
    }
}

pub fn status(name: &str) -> Option<DeliveryStatus> {
    STATUSES.into_iter().find(|status| status.as_str() == name)
}

pub fn kind(name: &str) -> Option<WebhookEvent> {
    WebhookEvent::all().find(|kind| kind.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(href: &str) -> LogView {
        let query = href.split_once('?').map_or("", |(_, query)| query);
        let parameters: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        LogView::read(|name| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_url_contains_all_of_a_view_and_nothing_of_the_default_one() {
        assert_eq!(LogView::default().href(7), "/webhooks/7");
        let view = LogView {
            status: Some(DeliveryStatus::Failed),
            kind: Some(WebhookEvent::Test),
            since: DateTime::from_timestamp(1_800_000_000, 0),
            before: Some(41),
            open: Some(12),
        };
        assert_eq!(read(&view.href(7)), view, "{}", view.href(7));
        assert!(!view.conditions().contains("delivery="), "{}", view.conditions());
        assert_eq!(read("/webhooks/7?status=lost&kind=x&since=today&before=-&delivery=x"), LogView::default());
    }
}
