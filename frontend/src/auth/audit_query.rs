//! The view of the audit log that is in the URL. Pure: the encoding function is a parameter.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};

/// Entries per page.
const PAGE_SIZE: u32 = 50;

/// A filtered page of the log. Fields have the names of the API's parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditView {
    pub actor: String,
    pub action: String,
    /// At this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// Older than the entry with this id.
    pub before: Option<i64>,
}

impl AuditView {
    /// Parses the parameters of a URL. Malformed values are ignored.
    pub fn read(parameter: impl Fn(&str) -> Option<String>) -> Self {
        let time = |text: String| DateTime::parse_from_rfc3339(&text).ok().map(|at| at.with_timezone(&Utc));
        Self {
            actor: parameter("actor").unwrap_or_default(),
            action: parameter("action").unwrap_or_default(),
            since: parameter("since").and_then(time),
            until: parameter("until").and_then(time),
            before: parameter("before").and_then(|id| id.parse().ok()),
        }
    }

    /// Returns the query of the API request.
    pub fn query(&self, encode: impl Fn(&str) -> String) -> String {
        format!("?limit={PAGE_SIZE}{}", self.parameters(encode))
    }

    /// Returns the query of the CSV export of all pages.
    pub fn csv_query(&self, encode: impl Fn(&str) -> String) -> String {
        as_query(&Self { before: None, ..self.clone() }.parameters(encode))
    }

    /// Returns the URL of this view.
    pub fn href(&self, encode: impl Fn(&str) -> String) -> String {
        format!("/audit{}", as_query(&self.parameters(encode)))
    }

    pub fn at(&self, before: Option<i64>) -> Self {
        Self { before, ..self.clone() }
    }

    pub fn is_filtered(&self) -> bool {
        self.at(None) != Self::default()
    }

    fn parameters(&self, encode: impl Fn(&str) -> String) -> String {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let text = |text: &str| (!text.trim().is_empty()).then(|| encode(text.trim()));
        let parameters = [
            ("actor", text(&self.actor)),
            ("action", text(&self.action)),
            ("since", self.since.map(time)),
            ("until", self.until.map(time)),
            ("before", self.before.map(|id| id.to_string())),
        ];
        parameters.iter().fold(String::new(), |mut query, (name, value)| {
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = write!(query, "&{name}={value}");
            }
            query
        })
    }
}

fn as_query(parameters: &str) -> String {
    parameters.strip_prefix('&').map(|first| format!("?{first}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        text.replace(' ', "%20")
    }

    fn read(href: &str) -> AuditView {
        let query = href.split_once('?').map_or("", |(_, query)| query);
        let parameters: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        AuditView::read(|name| {
            parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.replace("%20", " "))
        })
    }

    #[test]
    fn a_url_contains_the_whole_view_and_omits_defaults() {
        assert_eq!(AuditView::default().href(encode), "/audit");
        assert_eq!(AuditView::default().query(encode), "?limit=50");
        assert_eq!(AuditView::default().csv_query(encode), "");
        let view = AuditView {
            actor: "key Nightly import".into(),
            action: "product.update".into(),
            since: DateTime::from_timestamp(1_800_000_000, 0),
            until: DateTime::from_timestamp(1_800_003_600, 0),
            before: Some(41),
        };
        assert_eq!(read(&view.href(encode)), view, "{}", view.href(encode));
        assert!(!view.csv_query(encode).contains("before"));
        assert!(view.is_filtered() && !AuditView::default().at(Some(7)).is_filtered());
        assert_eq!(read("/audit?since=today&before=-"), AuditView::default());
    }
}
