//! `/users`, for admins.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path},
};
use shared::{
    auth::{User, UserChange, UserInput, UserList},
    problem::Problem,
};

use crate::{
    app::App,
    auth::{
        principal::{Principal, RequestContext},
        sessions,
        users::{self, ChangeOutcome},
    },
    http::{ApiError, ApiResult, Json},
};

fn not_found(id: i64) -> ApiError {
    ApiError::not_found("user", id)
}

fn last_admin() -> ApiError {
    ApiError::Conflict("this is the last enabled admin; make another user an admin first".into())
}

/// List users.
#[utoipa::path(get, path = "/users", tag = "auth", responses(
    (status = 200, body = UserList),
))]
pub async fn list_users(app: Data<App>) -> ApiResult<Json<UserList>> {
    Ok(Json(UserList { items: users::list(&mut *app.db().await?, app.config.auth.session_idle()).await? }))
}

/// Create a user.
#[utoipa::path(post, path = "/users", tag = "auth", responses(
    (status = 201, body = User, headers(("Location" = String, description = "The user"))),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The name is taken, or it would be the first user, who is created by the setup link in the server log"),
))]
pub async fn create_user(app: Data<App>, context: RequestContext, input: Json<UserInput>) -> ApiResult<HttpResponse> {
    if matches!(context.principal, Principal::LocalTrusted) {
        let advice = "create the first user by the setup link that the server prints at start, or by ADMIN_PASSWORD";
        return Err(ApiError::Conflict(advice.into()));
    }
    let errors = input.check();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let UserInput { name, role, password } = input.into_inner();
    let hash = app.auth.passwords.hash(password).await?;
    let created = users::insert(&mut *app.db().await?, &name, role, &hash).await?;
    let user = created.ok_or_else(|| ApiError::Conflict(format!("the name {} is taken", name.trim())))?;
    let location = format!("/api/v1/users/{}", user.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(user.with_sessions(0)))
}

/// Change a user.
///
/// Ends the sessions of that user. A disabled user's API keys stop working until the user is enabled again.
#[utoipa::path(patch, path = "/users/{id}", tag = "auth", params(("id" = i64, Path, description = "User id")), responses(
    (status = 200, body = User),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "No admin would be left"),
))]
pub async fn update_user(app: Data<App>, id: Path<i64>, change: Json<UserChange>) -> ApiResult<Json<User>> {
    let user = users::find(&mut *app.db().await?, *id).await?.ok_or_else(|| not_found(*id))?;
    let errors = change.check(&user.name);
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let hash = match &change.password {
        Some(password) => Some(app.auth.passwords.hash(password.clone()).await?),
        None => None,
    };
    match users::update(&mut *app.db().await?, *id, &change, hash).await? {
        ChangeOutcome::Done(user) => Ok(Json(user.with_sessions(0))),
        ChangeOutcome::NotFound => Err(not_found(*id)),
        ChangeOutcome::LastAdmin => Err(last_admin()),
    }
}

/// Delete a user.
#[utoipa::path(delete, path = "/users/{id}", tag = "auth", params(("id" = i64, Path, description = "User id")), responses(
    (status = 204, description = "Deleted, with all sessions and API keys"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "No admin would be left"),
))]
pub async fn delete_user(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    match users::delete(&mut *app.db().await?, *id).await? {
        ChangeOutcome::Done(()) => Ok(HttpResponse::NoContent().finish()),
        ChangeOutcome::NotFound => Err(not_found(*id)),
        ChangeOutcome::LastAdmin => Err(last_admin()),
    }
}

/// End all sessions of a user.
#[utoipa::path(delete, path = "/users/{id}/sessions", tag = "auth", params(("id" = i64, Path, description = "User id")), responses(
    (status = 204, description = "All sessions of this user have ended"),
))]
pub async fn sign_out_user(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    let mut conn = app.db().await?;
    users::find(&mut conn, *id).await?.ok_or_else(|| not_found(*id))?;
    sessions::end_all(&mut conn, *id, None).await?;
    Ok(HttpResponse::NoContent().finish())
}
