//! Whether a page of another site sent a request (cross-site request forgery). Pure.

use actix_web::http::{
    Method,
    header::{self, HeaderMap},
};
use url::Url;

/// The page that sent a request, as its browser reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    SameOrigin,
    CrossSite,
    /// The request does not say: it comes from a browser older than Fetch Metadata and `Origin`, or not from a browser.
    Unknown,
}

/// Returns the sender by `Sec-Fetch-Site` (Fetch Metadata, section 2.3) or, if that is absent, by `Origin` (RFC 6454).
pub fn sender(headers: &HeaderMap, host: &str, public_url: Option<&Url>) -> Sender {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if headers.contains_key("sec-fetch-site") {
        return if text("sec-fetch-site") == "same-origin" { Sender::SameOrigin } else { Sender::CrossSite };
    }
    if !headers.contains_key(header::ORIGIN) {
        return Sender::Unknown;
    }
    let Ok(origin) = Url::parse(text("origin")) else { return Sender::CrossSite };
    if origin.host_str().is_none() {
        return Sender::CrossSite;
    }
    let same = match public_url {
        Some(public) => public.origin() == origin.origin(),
        None => authority(&origin) == host,
    };
    if same { Sender::SameOrigin } else { Sender::CrossSite }
}

/// Returns host and port of a URL as `Host` contains them: without the default port of the scheme.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a method changes nothing (RFC 9110, section 9.2.1).
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn sender_of(headers: &[(&'static str, &'static str)]) -> Sender {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(*header);
        }
        sender(request.to_srv_request().headers(), "loadify.example:8000", None)
    }

    #[test]
    fn the_sender_is_what_the_browser_reports() {
        assert_eq!(sender_of(&[("sec-fetch-site", "same-origin")]), Sender::SameOrigin);
        for site in ["same-site", "cross-site", "none", "x"] {
            let origin = ("origin", "http://loadify.example:8000");
            assert_eq!(sender_of(&[("sec-fetch-site", site), origin]), Sender::CrossSite, "{site}");
        }
        assert_eq!(sender_of(&[("origin", "http://loadify.example:8000")]), Sender::SameOrigin);
        for origin in ["http://loadify.example", "null", "http://loadify.example:8000.evil.example", "file://"] {
            assert_eq!(sender_of(&[("origin", origin)]), Sender::CrossSite, "{origin}");
        }
        assert_eq!(sender_of(&[]), Sender::Unknown);
    }
}
