//! `/setup`: creates the first user.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use shared::{
    auth::{self, SessionInfo, Setup},
    problem::Problem,
};

use super::sessions::start_session;
use crate::{
    app::App,
    auth::{audit, principal::RequestContext, setup},
    http::{ApiError, ApiResult, Json},
};

const INVALID_LINK: &str =
    "this setup link is no longer valid; restart the server for a new one, or sign in if there is a user already";

/// Create the first user, an admin.
///
/// The token is in the link that the server prints at start. It can be used once, and only while there is no user.
#[utoipa::path(post, path = "/setup", tag = "auth", responses(
    (status = 201, body = SessionInfo),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The token is not valid"),
))]
pub async fn set_up(
    app: Data<App>,
    context: RequestContext,
    request: HttpRequest,
    input: Json<Setup>,
) -> ApiResult<HttpResponse> {
    let Setup { token, name, password } = input.into_inner();
    if !setup::is_valid_token(&mut *app.db().await?, &token).await? {
        return Err(ApiError::Unauthenticated(INVALID_LINK));
    }
    let errors: Vec<_> = [auth::check_user_name(&name), auth::check_password("password", &password, &name)]
        .into_iter()
        .flatten()
        .collect();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let hash = app.auth.passwords.hash(password).await?;
    let mut conn = app.db().await?;
    let address = context.address.to_string();
    let entry = audit::begin(&mut conn, &name, "user.create_first", "/setup", &address, None).await?;
    let created = setup::insert_first_user(&mut conn, &name, &hash).await?;
    let user = created.ok_or(ApiError::Unauthenticated(INVALID_LINK))?;
    audit::finish(&mut conn, entry, 201, Some(&format!("/users/{}", user.id))).await?;
    start_session(&app, &mut conn, &context, &request, &user, HttpResponse::Created()).await
}
