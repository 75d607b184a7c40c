//! The security schemes of the API's document.

use utoipa::openapi::{
    OpenApi,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::auth::middleware::cookie_name;

/// Adds keys and sessions. The third alternative, nothing, is for open mode and for public operations.
pub fn describe(document: &mut OpenApi) {
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("ldf_ and 72 hexadecimal digits")
        .description(Some("An API key, created on the page /keys or by `loadify key create`."));
    let cookie = ApiKeyValue::with_description(
        cookie_name(true),
        "A session, from `POST /api/v1/session`. Without TLS the cookie is named `loadify`. A request that changes something must come from a page of the same origin (`Sec-Fetch-Site`, `Origin`).",
    );
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("key", SecurityScheme::Http(key.build()));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let schemes = ["key", "session"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
    document.security = Some(schemes.into_iter().chain([SecurityRequirement::default()]).collect());
}
