//! Headers of requests for products: versions, and the client's own id. Pure.

use actix_web::http::header::{self, EntityTag, Header, HeaderMap, IfMatch, IfNoneMatch};

use crate::http::{ApiError, ApiResult};

/// Maximum length of an `X-Client-Id` that is passed on, in characters.
const MAX_CLIENT_CHARS: usize = 64;
/// Characters of a wrong `If-Match` that an error repeats.
const MAX_SHOWN_CHARS: usize = 100;

/// The `ETag` of a product at this version.
pub fn etag(version: i64) -> EntityTag {
    EntityTag::new_strong(version.to_string())
}

/// The id by which the client recognizes its own changes.
pub fn client(headers: &HeaderMap) -> Option<String> {
    let client = headers.get("X-Client-Id")?.to_str().ok()?;
    (1..=MAX_CLIENT_CHARS).contains(&client.len()).then(|| client.to_owned())
}

/// The versions that a change applies to (`If-Match`; RFC 9110, section 13.1.1).
pub struct Versions(IfMatch);

impl Versions {
    /// `None` if the request has no `If-Match`.
    pub fn of(request: &impl actix_web::HttpMessage) -> Option<Self> {
        // Values that are not entity tags match no version.
        let tags = || IfMatch::parse(request).unwrap_or(IfMatch::Items(Vec::new()));
        request.headers().contains_key(header::IF_MATCH).then(|| Self(tags()))
    }

    /// # Errors
    /// [`ApiError::PreconditionRequired`] if the request has no `If-Match`, [`ApiError::BadRequest`] if it has no entity tag.
    pub fn required(request: &impl actix_web::HttpMessage) -> ApiResult<Self> {
        match Self::of(request) {
            None => Err(ApiError::PreconditionRequired),
            Some(Self(IfMatch::Items(tags))) if tags.is_empty() => {
                let value = request.headers().get(header::IF_MATCH).and_then(|value| value.to_str().ok());
                let shown: String = value.unwrap_or_default().chars().take(MAX_SHOWN_CHARS).collect();
                let advice = "send it with its quotes, for example If-Match: \"2\"";
                Err(ApiError::BadRequest(format!("If-Match: {shown} is not an ETag; {advice}")))
            }
            Some(versions) => Ok(versions),
        }
    }

    /// # Errors
    /// [`ApiError::PreconditionFailed`] if `version` is not among them. A weak tag never matches.
    pub fn check(&self, version: i64) -> ApiResult<()> {
        let current = etag(version);
        match &self.0 {
            IfMatch::Any => Ok(()),
            IfMatch::Items(tags) if tags.iter().any(|tag| tag.strong_eq(&current)) => Ok(()),
            IfMatch::Items(_) => Err(ApiError::PreconditionFailed { version }),
        }
    }
}

/// Whether the client has this version (`If-None-Match`), by weak comparison as RFC 9110 requires.
pub fn has_version(request: &impl actix_web::HttpMessage, version: i64) -> bool {
    let current = etag(version);
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&current)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        dev::ServiceRequest,
        http::header::{HeaderName, HeaderValue},
        test::TestRequest,
    };

    use super::*;

    fn request(name: &HeaderName, values: &[&'static str]) -> ServiceRequest {
        let request = TestRequest::default();
        values
            .iter()
            .fold(request, |request, value| request.append_header((name.clone(), HeaderValue::from_static(value))))
            .to_srv_request()
    }

    #[test]
    fn a_change_applies_to_the_versions_that_strong_tags_name() {
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
            let versions = Versions::of(&request(&header::IF_MATCH, values)).expect("the header is there");
            assert_eq!(versions.check(3).is_ok(), matches, "{values:?}");
        }
        assert!(Versions::of(&request(&header::IF_MATCH, &[])).is_none());
    }

    #[test]
    fn the_version_of_a_client_is_compared_weakly() {
        for (value, known) in [("\"3\"", true), ("W/\"3\"", true), ("*", true), ("\"2\"", false)] {
            assert_eq!(has_version(&request(&header::IF_NONE_MATCH, &[value]), 3), known, "{value}");
        }
        assert!(!has_version(&request(&header::IF_NONE_MATCH, &[]), 3));
    }

    #[test]
    fn a_client_id_that_is_too_long_is_ignored() {
        let name = HeaderName::from_static("x-client-id");
        let client = |value| client(request(&name, &[value]).headers());
        assert_eq!(client("tab-7").as_deref(), Some("tab-7"));
        assert_eq!(client(""), None);
        let long: &'static str = "0123456789012345678901234567890123456789012345678901234567890123x";
        assert_eq!(client(&long[..64]).as_deref(), Some(&long[..64]));
        assert_eq!(client(long), None);
    }
}
