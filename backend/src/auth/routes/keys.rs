//! `/keys`, for admins.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path},
};
use shared::auth::{KeyInput, KeyList, NewKey};

use crate::{
    app::App,
    auth::{
        keys::{self, Owner},
        principal::RequestContext,
        secrets,
    },
    http::{ApiError, ApiResult, Json},
};

/// List API keys.
#[utoipa::path(get, path = "/keys", tag = "auth", responses(
    (status = 200, body = KeyList),
))]
pub async fn list_keys(app: Data<App>) -> ApiResult<Json<KeyList>> {
    Ok(Json(KeyList { items: keys::list(&mut *app.db().await?).await? }))
}

/// Create an API key.
///
/// Only this response contains the key itself. The key belongs to the user who creates it, or to the owner of the key that
/// creates it: it is valid while that user is enabled, and has no more permissions than the user.
#[utoipa::path(post, path = "/keys", tag = "auth", responses(
    (status = 201, body = NewKey, headers(("Location" = String, description = "The key"))),
))]
pub async fn create_key(app: Data<App>, context: RequestContext, input: Json<KeyInput>) -> ApiResult<HttpResponse> {
    let errors = input.check();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let secret = secrets::new_key();
    let key = keys::insert(&mut *app.db().await?, &secret, &input, Owner::of(&context.principal)).await?;
    let location = format!("/api/v1/keys/{}", key.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(NewKey { key, secret }))
}

/// Revoke an API key.
#[utoipa::path(delete, path = "/keys/{id}", tag = "auth", params(("id" = i64, Path, description = "Key id")), responses(
    (status = 204, description = "Revoked"),
))]
pub async fn revoke_key(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    if keys::delete(&mut *app.db().await?, *id).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(ApiError::not_found("key", *id))
}
