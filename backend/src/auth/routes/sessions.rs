//! `/session` and `/sessions`: signing in and out.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
    web::{Data, Path},
};
use diesel_async::AsyncPgConnection;
use shared::{
    auth::{self, PasswordChange, SessionInfo, SessionList, SignIn},
    problem::Problem,
};

use crate::{
    app::App,
    auth::{
        audit,
        middleware::cookie_name,
        passwords::Attempt,
        principal::{Principal, RequestContext, UserSession},
        sessions,
        users::{self, UserRow},
    },
    http::{ApiError, ApiResult, Json},
};

/// The same text for a wrong name and a wrong password, so that it does not reveal which names exist.
const WRONG_CREDENTIALS: &str = "the name or the password is wrong";

/// Get the current session.
///
/// Does not keep the session open: it ends after the idle time without other requests.
#[utoipa::path(get, path = "/session", tag = "auth", responses(
    (status = 200, body = SessionInfo),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
))]
pub async fn get_session(context: RequestContext) -> Json<SessionInfo> {
    Json(context.principal.info())
}

/// Sign in.
///
/// The response sets the session cookie. If the user has too many sessions, the least recently used one ends. After several wrong passwords each attempt has to wait longer, up to one minute for an
/// account.
#[utoipa::path(post, path = "/session", tag = "auth", responses(
    (status = 200, body = SessionInfo),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64))),
))]
pub async fn sign_in(
    app: Data<App>,
    context: RequestContext,
    request: HttpRequest,
    input: Json<SignIn>,
) -> ApiResult<HttpResponse> {
    let SignIn { name, password } = input.into_inner();
    let name_key = auth::name_key(&name);
    // No account has longer ones, and they would only fill the tables.
    if name_key.chars().count() > auth::MAX_NAME_CHARS || password.chars().count() > auth::MAX_PASSWORD_CHARS {
        return Err(ApiError::Unauthenticated(WRONG_CREDENTIALS));
    }
    let address = context.address.to_string();
    let mut conn = app.db().await?;
    let known_address = sessions::has_signed_in_from(&mut conn, &name, &address).await?;
    let attempt = Attempt::begin(&mut conn, &app.config.auth, &name_key, &context.network, known_address).await?;
    let entry = audit::begin(&mut conn, &name, "session.sign_in", "/session", &address, None).await?;
    let user = users::find_by_name(&mut conn, &name).await?;
    // The hash takes a while, and needs no connection.
    drop(conn);
    let hash = user.as_ref().filter(|user| user.enabled).map(|user| user.password_hash.clone());
    let correct = app.auth.passwords.verify(password, hash).await?;
    let mut conn = app.db().await?;
    let (true, Some(user)) = (correct, user) else {
        audit::finish(&mut conn, entry, 401, None).await?;
        return Err(ApiError::Unauthenticated(WRONG_CREDENTIALS));
    };
    attempt.succeed(&mut conn).await?;
    audit::finish(&mut conn, entry, 200, None).await?;
    // A new session always has a new token; the one that this browser had until now ends.
    if let Principal::User(previous) = &context.principal {
        sessions::end(&mut conn, previous.user_id, previous.session_id).await?;
    }
    start_session(&app, &mut conn, &context, &request, &user, HttpResponse::Ok()).await
}

/// Starts a session and answers with its cookie.
pub async fn start_session(
    app: &App,
    conn: &mut AsyncPgConnection,
    context: &RequestContext,
    request: &HttpRequest,
    user: &UserRow,
    mut response: HttpResponseBuilder,
) -> ApiResult<HttpResponse> {
    let config = &app.config.auth;
    let user_agent = request.headers().get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let address = context.address.to_string();
    let token = sessions::start(conn, config, user.id, &address, user_agent).await?;
    let session = sessions::authenticate(conn, &token, config.session_idle(), true).await?;
    // An admin can have disabled the account since the password was verified.
    let session = session.map(Principal::User).ok_or(ApiError::Unauthenticated(WRONG_CREDENTIALS))?;
    tracing::info!(user.id, "User {} signed in", user.id);
    let cookie = cookie(context.secure, token, Duration::hours(config.session_hours.into()));
    Ok(response.cookie(cookie).json(session.info()))
}

fn cookie(secure: bool, token: String, max_age: Duration) -> Cookie<'static> {
    Cookie::build(cookie_name(secure), token)
        .path("/")
        .secure(secure)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(max_age)
        .finish()
}

/// 204, and the browser deletes its cookie.
fn signed_out(context: &RequestContext) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.cookie(cookie(context.secure, String::new(), Duration::ZERO));
    response.finish()
}

/// Sign out.
#[utoipa::path(delete, path = "/session", tag = "auth", responses(
    (status = 204, description = "Signed out"),
))]
pub async fn sign_out(app: Data<App>, context: RequestContext) -> ApiResult<HttpResponse> {
    let UserSession { user_id, session_id, .. } = context.principal.session()?;
    sessions::end(&mut *app.db().await?, *user_id, *session_id).await?;
    Ok(signed_out(&context))
}

/// Change your password.
///
/// Ends all other sessions of this user.
#[utoipa::path(post, path = "/session/password", tag = "auth", responses(
    (status = 204, description = "Changed"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "The current password is wrong, or the new one is easily guessed"),
))]
pub async fn change_password(
    app: Data<App>,
    context: RequestContext,
    input: Json<PasswordChange>,
) -> ApiResult<HttpResponse> {
    let session = context.principal.session()?;
    if let Some(error) = auth::check_password("new", &input.new, &session.name) {
        return Err(ApiError::Invalid(vec![error]));
    }
    let mut conn = app.db().await?;
    // An unattended browser must not allow faster guessing than the sign-in does.
    let name_key = auth::name_key(&session.name);
    let attempt = Attempt::begin(&mut conn, &app.config.auth, &name_key, &context.network, true).await?;
    let user = users::find(&mut conn, session.user_id).await?;
    drop(conn);
    let PasswordChange { current, new } = input.into_inner();
    if !app.auth.passwords.verify(current, user.map(|user| user.password_hash)).await? {
        return Err(ApiError::invalid("current", "is wrong"));
    }
    let hash = app.auth.passwords.hash(new).await?;
    let mut conn = app.db().await?;
    attempt.succeed(&mut conn).await?;
    users::set_password(&mut conn, session.user_id, &hash, Some(session.session_id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List your sessions.
#[utoipa::path(get, path = "/sessions", tag = "auth", responses(
    (status = 200, body = SessionList),
))]
pub async fn list_sessions(app: Data<App>, context: RequestContext) -> ApiResult<Json<SessionList>> {
    let idle = app.config.auth.session_idle();
    let items = sessions::list(&mut *app.db().await?, context.principal.session()?, idle).await?;
    Ok(Json(SessionList { items }))
}

/// End all your sessions, including this one.
#[utoipa::path(delete, path = "/sessions", tag = "auth", responses(
    (status = 204, description = "Signed out"),
))]
pub async fn end_sessions(app: Data<App>, context: RequestContext) -> ApiResult<HttpResponse> {
    sessions::end_all(&mut *app.db().await?, context.principal.session()?.user_id, None).await?;
    Ok(signed_out(&context))
}

/// End one of your sessions.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "auth", params(("id" = i64, Path, description = "Session id")), responses(
    (status = 204, description = "Ended"),
))]
pub async fn end_session(app: Data<App>, context: RequestContext, id: Path<i64>) -> ApiResult<HttpResponse> {
    let ended = sessions::end(&mut *app.db().await?, context.principal.session()?.user_id, *id).await?;
    if ended { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::not_found("session", *id)) }
}
