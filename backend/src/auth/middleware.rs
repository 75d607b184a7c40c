//! Authorizes every request: identifies the principal, checks the rule of the operation, counts, and writes the audit log.

use actix_web::{
    HttpMessage, ResponseError,
    body::BoxBody,
    cookie::Cookie,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use shared::auth::Permission;

use crate::{
    app::App,
    auth::{
        audit,
        client::Client,
        cross_site::{self, Sender},
        keys,
        limits::Budget,
        principal::{Principal, RequestContext},
        rules::{Requirement, Rule},
        secrets, sessions,
    },
    http::{ApiError, ApiResult},
};

/// The session cookie over TLS. Browsers accept a cookie with this prefix only if it is Secure, for the whole site, and set
/// by this very host (RFC 6265bis, section 4.1.3.2).
const SECURE_COOKIE: &str = "__Host-loadify";
/// The session cookie without TLS.
const PLAIN_COOKIE: &str = "loadify";

/// The name of the session cookie.
pub const fn cookie_name(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE } else { PLAIN_COOKIE }
}

/// Returns the path as the router compares it: percent-decoded. `request.path()` is the raw one; a decision based on that
/// can be bypassed by encoding a letter, since `/%61pi/v1/keys` is routed as `/api/v1/keys`.
pub fn routed_path(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// Passes a request to the handler that `rule` belongs to, or refuses it.
pub async fn authorize(
    rule: Rule,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let app = request.app_data::<Data<App>>().expect("the server registers it").clone();
    let authorized = match check(&app, &request, rule).await {
        Ok(authorized) => authorized,
        Err(error) => return Ok(request.into_response(error.error_response())),
    };
    request.extensions_mut().insert(authorized.context);
    let mut response = next.call(request).await?;
    if let Some(id) = authorized.audit_entry {
        finish_entry(&app, id, &response).await;
    }
    if let Some(budget) = authorized.budget {
        budget.write_headers(response.headers_mut());
    }
    Ok(response)
}

/// Adds the outcome to an entry of the audit log. The change is committed whether or not this succeeds; then the entry stays
/// without an outcome.
async fn finish_entry(app: &App, id: i64, response: &ServiceResponse<BoxBody>) {
    let created = (response.status() == StatusCode::CREATED)
        .then(|| response.headers().get(header::LOCATION)?.to_str().ok()?.strip_prefix("/api/v1"))
        .flatten();
    let finished = async {
        let conn = &mut *app.pool.get().await?;
        anyhow::Ok(audit::finish(conn, id, response.status().as_u16(), created).await?)
    };
    if let Err(error) = finished.await {
        tracing::warn!("Audit entry {id} has no outcome: {error:#}");
    }
}

/// A request that its rule allows.
struct Authorized {
    context: RequestContext,
    budget: Option<Budget>,
    audit_entry: Option<i64>,
}

async fn check(app: &App, request: &ServiceRequest, rule: Rule) -> ApiResult<Authorized> {
    let config = &app.config.auth;
    let client = Client::of(request, &config.trusted_proxies, config.public_url.as_ref());
    let network = client.network();
    let context = |principal| RequestContext {
        principal,
        address: client.address,
        network: network.clone(),
        secure: client.secure,
    };
    if rule.requires == Requirement::Health {
        return Ok(Authorized { context: context(Principal::Anonymous), budget: None, audit_entry: None });
    }
    let (principal, by_cookie) = identify(app, request, rule, &client).await?;
    let budget = app.auth.limits.count_request(&principal, &network)?;
    let allowed = match rule.requires {
        Requirement::Health | Requirement::Public => true,
        Requirement::SignedIn => !matches!(principal, Principal::Anonymous),
        Requirement::Permission(permission) => principal.can(permission),
    };
    let record = async |outcome| {
        let Some(action) = rule.audit_action else { return ApiResult::Ok(None) };
        let path = routed_path(request);
        let target = path.strip_prefix("/api/v1").unwrap_or(path);
        let (actor, address) = (principal.actor(), client.address.to_string());
        Ok(Some(audit::begin(&mut *app.db().await?, &actor, action, target, &address, outcome).await?))
    };
    if !allowed {
        let error = access_error(&principal, rule);
        if !matches!(principal, Principal::Anonymous) {
            record(Some(error.status_code())).await?;
        }
        return Err(error);
    }
    if !cross_site::is_safe(request.method()) && !matches!(principal, Principal::Key(_)) {
        let sender = cross_site::sender(request.headers(), &client.host, config.public_url.as_ref());
        if sender == Sender::CrossSite || (sender == Sender::Unknown && by_cookie) {
            return Err(ApiError::CrossSite);
        }
    }
    let audit_entry = record(None).await?;
    Ok(Authorized { context: context(principal), budget, audit_entry })
}

/// Returns the principal, and whether a cookie identified it.
async fn identify(app: &App, request: &ServiceRequest, rule: Rule, client: &Client) -> ApiResult<(Principal, bool)> {
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let key = bearer(value).filter(|key| secrets::is_key(key)).ok_or(ApiError::Unauthenticated(
            "the Authorization header does not contain a Loadify key; send `Bearer ldf_…`",
        ))?;
        let found = keys::authenticate(&mut *app.db().await?, key).await?;
        let key = found
            .ok_or(ApiError::Unauthenticated("this key is unknown, revoked, expired, or its owner is disabled"))?;
        return Ok((Principal::Key(key), false));
    }
    if let Some(token) = session_token(request.headers(), client.secure) {
        let idle = app.config.auth.session_idle();
        let used = rule.keeps_session_open && !is_stream(request.headers());
        if let Some(user) = sessions::authenticate(&mut *app.db().await?, &token, idle, used).await? {
            return Ok((Principal::User(user), true));
        }
    }
    if app.auth.is_closed(app).await? {
        return Ok((Principal::Anonymous, false));
    }
    if client.proxied || !client.names_loopback() {
        return Err(ApiError::Forbidden(
            "there is no user account, so only this machine has access, by the name localhost; set ADMIN_PASSWORD to create one",
        ));
    }
    Ok((Principal::LocalTrusted, false))
}

/// Returns the token in the session cookie. `ServiceRequest::cookie` finds no cookie at all if any of them is malformed, and
/// cookies without TLS are shared by all programs on a host, whatever their port.
fn session_token(headers: &HeaderMap, secure: bool) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| Cookie::parse(cookie.trim()).ok());
    cookies.find(|cookie| cookie.name() == cookie_name(secure)).map(|cookie| cookie.value().to_owned())
}

/// Whether a browser opens an event stream. It reopens one by itself, without a user.
fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/event-stream")
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn access_error(principal: &Principal, rule: Rule) -> ApiError {
    match (principal, rule.requires) {
        (Principal::Anonymous, _) => {
            ApiError::Unauthenticated("sign in, or send a key as `Authorization: Bearer ldf_…`")
        }
        (Principal::Key(_), _) => {
            ApiError::Forbidden("the scopes of this key, or the role of its owner, do not allow this")
        }
        (_, Requirement::Permission(Permission::Admin | Permission::Webhooks)) => {
            ApiError::Forbidden("only admins can do this")
        }
        _ => ApiError::Forbidden("your role does not allow this; ask an admin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_cookie_of_another_program_does_not_hide_the_session() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("malformed; =x; loadify=abc; __Host-loadify=def"));
        assert_eq!(session_token(&headers, false).as_deref(), Some("abc"));
        assert_eq!(session_token(&headers, true).as_deref(), Some("def"));
        assert_eq!(session_token(&HeaderMap::new(), true), None);
    }
}
