//! What a request says about versions, and about itself. Pure.

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::http::{ApiError, ApiResult};

/// Longest `X-Client-Id` that is passed on, in characters.
const MAX_CLIENT_CHARS: usize = 64;

/// The `ETag` of a product at this version.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// Who asks, as it calls itself.
pub fn client(headers: &HeaderMap) -> Option<String> {
    let client = headers.get("X-Client-Id")?.to_str().ok()?;
    (1..=MAX_CLIENT_CHARS).contains(&client.len()).then(|| client.to_owned())
}

/// The versions that a change is meant for (RFC 9110, section 13.1.1).
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// `None` where the request does not say.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let tags = tags(headers, &header::IF_MATCH);
        (!tags.is_empty()).then_some(Self(tags))
    }

    /// # Errors
    /// [`ApiError::PreconditionRequired`] where the request does not say.
    pub fn required(headers: &HeaderMap) -> ApiResult<Self> {
        Self::of(headers).ok_or(ApiError::PreconditionRequired)
    }

    /// # Errors
    /// [`ApiError::PreconditionFailed`] where this version is not among them. A weak tag never matches.
    pub fn check(&self, version: i64) -> ApiResult<()> {
        let own = etag(version);
        if self.0.iter().any(|tag| tag == "*" || *tag == own) {
            return Ok(());
        }
        Err(ApiError::PreconditionFailed { version })
    }
}

/// Whether the client has this version already (`If-None-Match`), weakly compared as RFC 9110 wants it.
pub fn is_known(headers: &HeaderMap, version: i64) -> bool {
    let own = etag(version);
    tags(headers, &header::IF_NONE_MATCH).iter().any(|tag| tag == "*" || tag.trim_start_matches("W/") == own)
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    // A header that is no text is there, and matches nothing.
    let values = headers.get_all(name).map(|value| value.to_str().unwrap_or("?"));
    values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_change_is_for_the_versions_that_it_names_and_weak_tags_name_none() {
        for (values, matches) in [
            (&["\"3\""][..], true),
            (&["*"], true),
            (&["\"1\", \"3\""], true),
            (&["\"1\"", "\"3\""], true),
            (&["W/\"3\""], false),
            (&["3"], false),
            (&["\"30\""], false),
            (&[""], false),
        ] {
            let condition = IfMatch::of(&headers(&header::IF_MATCH, values)).expect("it is there");
            assert_eq!(condition.check(3).is_ok(), matches, "{values:?}");
        }
        assert!(IfMatch::of(&HeaderMap::new()).is_none());
    }

    #[test]
    fn what_a_client_has_is_compared_weakly() {
        for (value, known) in [("\"3\"", true), ("W/\"3\"", true), ("*", true), ("\"2\"", false)] {
            assert_eq!(is_known(&headers(&header::IF_NONE_MATCH, &[value]), 3), known, "{value}");
        }
    }

    #[test]
    fn a_client_that_calls_itself_by_too_long_a_name_has_none() {
        let name = HeaderName::from_static("x-client-id");
        assert_eq!(client(&headers(&name, &["tab-7"])).as_deref(), Some("tab-7"));
        assert_eq!(client(&headers(&name, &[""])), None);
        let long: &'static str = "0123456789012345678901234567890123456789012345678901234567890123x";
        assert_eq!(client(&headers(&name, &[&long[..64]])).as_deref(), Some(&long[..64]));
        assert_eq!(client(&headers(&name, &[long])), None);
    }
}
