//! Response headers that restrict what a browser does with a response.

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};

use crate::{
    app::App,
    auth::{Client, routed_path},
    http::assets::Assets,
};

/// For responses that are not pages: nothing is allowed.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// For the documentation of the API: Swagger UI has inline styles.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For scripts: a worker takes its policy from its own script, and that of the page opens event streams.
const SCRIPT_POLICY: &str = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'";

/// Returns the policy of the page (CSP 3). `boot` is the hash of its inline script, which starts the WebAssembly module.
pub fn page_policy(boot: Option<&str>) -> String {
    let hash = boot.map(|source| format!(" '{source}'")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{hash}; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Adds the headers to every response.
pub async fn protect(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let app = request.app_data::<Data<App>>().expect("the server adds it").clone();
    let config = &app.config.auth;
    let secure = Client::of(&request, &config.trusted_proxies, config.public_url.as_ref()).secure;
    let path = routed_path(&request);
    let (is_docs, is_api) = (path.starts_with("/api/docs"), path.starts_with("/api/"));
    let mut response = next.call(request).await?;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let is_script = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/javascript"));
    let policy = match (is_docs, is_page) {
        (true, _) => HeaderValue::from_static(DOCS_POLICY),
        (false, true) => {
            let assets = response.request().app_data::<Data<Assets>>().expect("the server adds it");
            assets.policy().clone()
        }
        (false, false) if is_script => HeaderValue::from_static(SCRIPT_POLICY),
        (false, false) => HeaderValue::from_static(DATA_POLICY),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    if is_api && !is_docs && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}
