//! The one gate of the whole server: who asks, from where, whether they may, and how often.

use actix_web::{
    HttpMessage, ResponseError,
    body::BoxBody,
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
        caller::{Caller, Visit},
        keys,
        limits::Budget,
        origin::{self, Origin, Sender},
        rules::{Requirement, Rule},
        secrets, sessions,
    },
    http::{ApiError, ApiResult},
};

/// The cookie of a session on TLS. Browsers take one with this prefix only if it is Secure, for the whole site, and of
/// this very host (RFC 6265bis, section 4.1.3.2).
const SECURE_COOKIE: &str = "__Host-loadify";
/// The cookie where there is no TLS.
const PLAIN_COOKIE: &str = "loadify";

/// The name of the session's cookie.
pub const fn cookie_name(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE } else { PLAIN_COOKIE }
}

/// The path as the router compares it: percent-decoded. `request.path()` is the raw one; a decision on that can be evaded by
/// encoding a letter, since `/%61pi/v1/keys` is routed as `/api/v1/keys`.
pub fn routed_path(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// Lets a request pass to the handler that `rule` belongs to, or answers it.
pub async fn guard(
    rule: Rule,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let app = request.app_data::<Data<App>>().expect("the server has it").clone();
    let admitted = match admit(&app, &request, rule).await {
        Ok(admitted) => admitted,
        Err(error) => return Ok(request.into_response(error.error_response())),
    };
    request.extensions_mut().insert(admitted.visit);
    let mut response = next.call(request).await?;
    if let Some(id) = admitted.audit_entry {
        let made = (response.status() == StatusCode::CREATED)
            .then(|| response.headers().get(header::LOCATION)?.to_str().ok()?.strip_prefix("/api/v1"))
            .flatten();
        // The change is done whatever becomes of this; the entry is there, without its outcome.
        let finished = async {
            let conn = &mut *app.pool.get().await?;
            anyhow::Ok(audit::finish(conn, id, response.status().as_u16(), made).await?)
        };
        if let Err(error) = finished.await {
            tracing::warn!("The outcome of audit entry {id} is not recorded: {error:#}");
        }
    }
    if let Some(budget) = admitted.budget {
        budget.tell(response.headers_mut());
    }
    Ok(response)
}

/// A request that may pass.
struct Admitted {
    visit: Visit,
    budget: Option<Budget>,
    audit_entry: Option<i64>,
}

async fn admit(app: &App, request: &ServiceRequest, rule: Rule) -> ApiResult<Admitted> {
    let config = &app.config.access;
    let origin = Origin::of(request, &config.trusted_proxies, config.public_url.as_ref());
    let network = origin.network();
    let visit = |caller| Visit { caller, address: origin.address, network: network.clone(), secure: origin.secure };
    if rule.requires == Requirement::Health {
        return Ok(Admitted { visit: visit(Caller::Stranger), budget: None, audit_entry: None });
    }
    let (caller, by_cookie) = identify(app, request, &origin).await?;
    let budget = app.access.limits.spend(&caller, &network)?;
    let allowed = match rule.requires {
        Requirement::Health | Requirement::Public => true,
        Requirement::SignedIn => !matches!(caller, Caller::Stranger),
        Requirement::Permission(permission) => caller.may(permission),
    };
    let written = async |outcome| {
        let Some(action) = rule.audit_action else { return ApiResult::Ok(None) };
        let path = routed_path(request);
        let target = path.strip_prefix("/api/v1").unwrap_or(path);
        let (actor, address) = (caller.name(), origin.address.to_string());
        Ok(Some(audit::begin(&mut *app.db().await?, &actor, action, target, &address, outcome).await?))
    };
    if !allowed {
        let refusal = refuse(&caller, rule);
        if !matches!(caller, Caller::Stranger) {
            written(Some(refusal.status_code())).await?;
        }
        return Err(refusal);
    }
    if !origin::is_safe(request.method()) && !matches!(caller, Caller::Key { .. }) {
        let sender = origin::sender(request.headers(), &origin.host, config.public_url.as_ref());
        if sender == Sender::Foreign || (sender == Sender::Silent && by_cookie) {
            return Err(ApiError::CrossSite);
        }
    }
    let audit_entry = written(None).await?;
    Ok(Admitted { visit: visit(caller), budget, audit_entry })
}

/// Who asks, and whether a cookie says so.
async fn identify(app: &App, request: &ServiceRequest, origin: &Origin) -> ApiResult<(Caller, bool)> {
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let key = bearer(value)
            .filter(|key| secrets::is_key(key))
            .ok_or(ApiError::Unauthenticated("the Authorization header has no key of Loadify; send `Bearer ldf_…`"))?;
        let found = keys::find(&mut *app.db().await?, key).await?;
        let key = found.ok_or(ApiError::Unauthenticated("this key is not known, has been revoked, or has expired"))?;
        return Ok((Caller::Key { id: key.id, name: key.name, scopes: key.scopes }, false));
    }
    if let Some(token) = cookie(request.headers(), origin.secure) {
        let idle = chrono::TimeDelta::minutes(app.config.access.session_idle_minutes.into());
        if let Some(person) = sessions::find(&mut *app.db().await?, &token, idle).await? {
            return Ok((Caller::Person(person), true));
        }
    }
    if app.access.is_closed(app).await? {
        return Ok((Caller::Stranger, false));
    }
    if origin.forwarded || !origin.names_loopback() {
        return Err(ApiError::Forbidden(
            "no account has been made, so only this machine may come in, by the name localhost; set ADMIN_PASSWORD to make one",
        ));
    }
    Ok((Caller::Anyone, false))
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The token of a session.
fn cookie(headers: &HeaderMap, secure: bool) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == cookie_name(secure)).map(|(_, token)| token.to_owned())
}

fn refuse(caller: &Caller, rule: Rule) -> ApiError {
    match (caller, rule.requires) {
        (Caller::Stranger, _) => ApiError::Unauthenticated("sign in, or send a key as `Authorization: Bearer ldf_…`"),
        (Caller::Key { .. }, _) => ApiError::Forbidden("the scopes of this key do not allow it"),
        (_, Requirement::Permission(Permission::Admin | Permission::Webhooks)) => {
            ApiError::Forbidden("this is for admins")
        }
        _ => ApiError::Forbidden("your role does not allow it; ask an admin"),
    }
}
