//! `/session`, `/sessions`, `/setup`: signing in and out.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
    web::{Data, Path},
};
use diesel_async::AsyncPgConnection;
use shared::{
    auth::{self, PasswordChange, SessionInfo, SessionList, Setup, SignIn},
    problem::Problem,
};

use crate::{
    app::App,
    auth::{
        audit,
        caller::{Caller, PersonCaller, Visit},
        guard,
        passwords::Guess,
        queries::{self, PersonRow},
        sessions,
    },
    http::{ApiError, ApiResult, Json},
};

/// One answer for everything that is wrong with a name and a password.
const WRONG: &str = "the name or the password is not right";

/// Ask who is signed in.
#[utoipa::path(get, path = "/session", tag = "access", responses(
    (status = 200, body = SessionInfo),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "One must sign in"),
))]
pub async fn get_session(visit: Visit) -> Json<SessionInfo> {
    Json(visit.caller.info())
}

/// Sign in.
///
/// The session is a cookie. After some wrong passwords each next attempt has to wait, longer each time, up to a minute for
/// an account.
#[utoipa::path(post, path = "/session", tag = "access", responses(
    (status = 200, body = SessionInfo),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64))),
))]
pub async fn sign_in(
    app: Data<App>,
    visit: Visit,
    request: HttpRequest,
    input: Json<SignIn>,
) -> ApiResult<HttpResponse> {
    let SignIn { name, password } = input.into_inner();
    let key = auth::name_key(&name);
    // Longer ones are no account's, and would only fill the tables.
    if key.chars().count() > auth::MAX_NAME_CHARS || password.chars().count() > auth::MAX_PASSWORD_CHARS {
        return Err(ApiError::Unauthenticated(WRONG));
    }
    let address = visit.address.to_string();
    let mut conn = app.db().await?;
    let usual = sessions::has_signed_in_from(&mut conn, &name, &address).await?;
    let guess = Guess::begin(&mut conn, &app.config.access, &key, &visit.network, usual).await?;
    let entry = audit::begin(&mut conn, &name, "session.sign_in", "/session", &address, None).await?;
    let person = queries::person_named(&mut conn, &name).await?;
    // Nothing is held while the hash is made, which takes a while.
    drop(conn);
    let known = person.as_ref().filter(|person| person.enabled).map(|person| person.password_hash.clone());
    let right = app.access.passwords.verify(password, known).await?;
    let mut conn = app.db().await?;
    let (true, Some(person)) = (right, person) else {
        audit::finish(&mut conn, entry, 401, None).await?;
        return Err(ApiError::Unauthenticated(WRONG));
    };
    guess.succeed(&mut conn).await?;
    audit::finish(&mut conn, entry, 200, None).await?;
    end_former(&mut conn, &visit).await?;
    enter(&app, &mut conn, &visit, &request, person, HttpResponse::Ok()).await
}

/// The session that this browser had until now: a new one always has a new token.
async fn end_former(conn: &mut AsyncPgConnection, visit: &Visit) -> ApiResult<()> {
    if let Caller::Person(former) = &visit.caller {
        sessions::end(conn, former.id, former.session_id).await?;
    }
    Ok(())
}

/// Begins a session and answers with its cookie.
async fn enter(
    app: &App,
    conn: &mut AsyncPgConnection,
    visit: &Visit,
    request: &HttpRequest,
    person: PersonRow,
    mut answer: actix_web::HttpResponseBuilder,
) -> ApiResult<HttpResponse> {
    let config = &app.config.access;
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let address = visit.address.to_string();
    let token = sessions::begin(conn, person.id, &address, agent, config.session_hours).await?;
    let idle = chrono::TimeDelta::minutes(config.session_idle_minutes.into());
    let caller = sessions::find(conn, &token, idle).await?;
    // Somebody may have disabled the account in this very moment.
    let caller = caller.map(Caller::Person).ok_or(ApiError::Unauthenticated(WRONG))?;
    tracing::info!(person.id, "Person {} signed in", person.id);
    let cookie = cookie(visit.secure, token, Duration::hours(config.session_hours.into()));
    Ok(answer.cookie(cookie).json(caller.info()))
}

fn cookie(secure: bool, token: String, age: Duration) -> Cookie<'static> {
    Cookie::build(guard::cookie_name(secure), token)
        .path("/")
        .secure(secure)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(age)
        .finish()
}

fn without_session(visit: &Visit) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    answer.cookie(cookie(visit.secure, String::new(), Duration::ZERO));
    answer.finish()
}

/// Sign out.
#[utoipa::path(delete, path = "/session", tag = "access", responses(
    (status = 204, description = "Signed out"),
))]
pub async fn sign_out(app: Data<App>, visit: Visit) -> ApiResult<HttpResponse> {
    let PersonCaller { id, session_id, .. } = visit.caller.person()?;
    sessions::end(&mut *app.db().await?, *id, *session_id).await?;
    Ok(without_session(&visit))
}

/// Change one's own password.
///
/// All other sessions of this person end.
#[utoipa::path(post, path = "/session/password", tag = "access", responses(
    (status = 204, description = "Changed"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "The current password is not right, or the new one is too easily guessed"),
))]
pub async fn change_password(app: Data<App>, visit: Visit, input: Json<PasswordChange>) -> ApiResult<HttpResponse> {
    let caller = visit.caller.person()?;
    if let Some(error) = auth::check_password("new", &input.new, &caller.name) {
        return Err(ApiError::Invalid(vec![error]));
    }
    let mut conn = app.db().await?;
    // Who finds a browser open must not guess faster than at the door.
    let guess =
        Guess::begin(&mut conn, &app.config.access, &auth::name_key(&caller.name), &visit.network, true).await?;
    let person = queries::person(&mut conn, caller.id).await?;
    drop(conn);
    let PasswordChange { current, new } = input.into_inner();
    if !app.access.passwords.verify(current, person.map(|person| person.password_hash)).await? {
        return Err(ApiError::invalid("current", "is not right"));
    }
    let hash = app.access.passwords.hash(new).await?;
    let mut conn = app.db().await?;
    guess.succeed(&mut conn).await?;
    queries::set_password(&mut conn, caller.id, &hash, Some(caller.session_id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List one's own sessions.
#[utoipa::path(get, path = "/sessions", tag = "access", responses(
    (status = 200, body = SessionList),
))]
pub async fn list_sessions(app: Data<App>, visit: Visit) -> ApiResult<Json<SessionList>> {
    let items = sessions::list(&mut *app.db().await?, visit.caller.person()?).await?;
    Ok(Json(SessionList { items }))
}

/// Sign out everywhere, here too.
#[utoipa::path(delete, path = "/sessions", tag = "access", responses(
    (status = 204, description = "Signed out"),
))]
pub async fn end_sessions(app: Data<App>, visit: Visit) -> ApiResult<HttpResponse> {
    sessions::end_all(&mut *app.db().await?, visit.caller.person()?.id, None).await?;
    Ok(without_session(&visit))
}

/// End one of one's own sessions.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "access", params(("id" = i64, Path, description = "Number of the session")), responses(
    (status = 204, description = "Ended"),
))]
pub async fn end_session(app: Data<App>, visit: Visit, id: Path<i64>) -> ApiResult<HttpResponse> {
    let ended = sessions::end(&mut *app.db().await?, visit.caller.person()?.id, *id).await?;
    if ended { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::not_found("session", id)) }
}

/// Make the first account.
///
/// Its token is in the link that the server printed when it started; it is good once, and only while there is no account.
#[utoipa::path(post, path = "/setup", tag = "access", responses(
    (status = 201, body = SessionInfo),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The link is not good, or not any more"),
))]
pub async fn set_up(app: Data<App>, visit: Visit, request: HttpRequest, input: Json<Setup>) -> ApiResult<HttpResponse> {
    let Setup { token, name, password } = input.into_inner();
    let stale =
        "this link is not good any more; start the server again for a new one, or sign in if there is an account";
    if !queries::is_setup_token(&mut *app.db().await?, &token).await? {
        return Err(ApiError::Unauthenticated(stale));
    }
    let errors: Vec<_> =
        [auth::check_name(&name), auth::check_password("password", &password, &name)].into_iter().flatten().collect();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let hash = app.access.passwords.hash(password).await?;
    let mut conn = app.db().await?;
    let address = visit.address.to_string();
    let entry = audit::begin(&mut conn, &name, "person.create_first", "/setup", &address, None).await?;
    let made = queries::insert_first(&mut conn, &name, &hash).await?;
    let person = made.ok_or(ApiError::Unauthenticated(stale))?;
    audit::finish(&mut conn, entry, 201, Some(&format!("/people/{}", person.id))).await?;
    enter(&app, &mut conn, &visit, &request, person, HttpResponse::Created()).await
}
