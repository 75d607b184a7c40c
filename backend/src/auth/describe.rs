//! How the API's document tells of keys and sessions.

use utoipa::openapi::{
    OpenApi,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::auth::guard;

/// Adds both ways to come in; nothing at all is the third, where no account has been made.
pub fn describe(document: &mut OpenApi) {
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("ldf_ and 72 hexadecimal digits")
        .description(Some("A key, from the page /keys or from `loadify key create`."));
    let cookie = ApiKeyValue::with_description(
        guard::cookie_name(true),
        "A session, from `POST /api/v1/session`. Where there is no TLS the cookie is called `loadify`. A request that changes something must come from a page of the same origin (`Sec-Fetch-Site`, `Origin`).",
    );
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("key", SecurityScheme::Http(key.build()));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let ways = ["key", "session"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
    document.security = Some(ways.into_iter().chain([SecurityRequirement::default()]).collect());
}
