//! `/people` and `/keys`: for admins.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path},
};
use shared::{
    auth::{self, KeyInput, KeyList, NewKey, Person, PersonChange, PersonInput, PersonList},
    problem::Problem,
};

use crate::{
    app::App,
    auth::{
        caller::{Caller, Visit},
        keys,
        queries::{self, Changed},
        secrets, sessions,
    },
    http::{ApiError, ApiResult, Json},
};

fn absent(id: i64) -> ApiError {
    ApiError::not_found("person", id)
}

fn last_admin() -> ApiError {
    ApiError::Conflict("this is the last admin that may sign in; make another one first".into())
}

/// List people.
#[utoipa::path(get, path = "/people", tag = "access", responses(
    (status = 200, body = PersonList),
))]
pub async fn list_people(app: Data<App>) -> ApiResult<Json<PersonList>> {
    Ok(Json(PersonList { items: queries::list_people(&mut *app.db().await?).await? }))
}

/// Make an account.
#[utoipa::path(post, path = "/people", tag = "access", responses(
    (status = 201, body = Person, headers(("Location" = String, description = "The person"))),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The name is taken, or it would be the first account, which is made by the link that the server prints"),
))]
pub async fn create_person(app: Data<App>, visit: Visit, input: Json<PersonInput>) -> ApiResult<HttpResponse> {
    if matches!(visit.caller, Caller::Anyone) {
        let link =
            "the first account is made by the link that the server printed when it started, or by ADMIN_PASSWORD";
        return Err(ApiError::Conflict(link.into()));
    }
    let errors = input.check();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let PersonInput { name, role, password } = input.into_inner();
    let hash = app.access.passwords.hash(password).await?;
    let made = queries::insert_person(&mut *app.db().await?, &name, role, &hash).await?;
    let person = made.ok_or_else(|| ApiError::Conflict(format!("somebody is called {} already", name.trim())))?;
    let location = format!("/api/v1/people/{}", person.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(person.with_sessions(0)))
}

/// Change an account.
///
/// Ends the sessions of that person.
#[utoipa::path(patch, path = "/people/{id}", tag = "access", params(("id" = i64, Path, description = "Number of the person")), responses(
    (status = 200, body = Person),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "No admin would be left"),
))]
pub async fn update_person(app: Data<App>, id: Path<i64>, change: Json<PersonChange>) -> ApiResult<Json<Person>> {
    let mut hash = None;
    if let Some(password) = &change.password {
        let person = queries::person(&mut *app.db().await?, *id).await?.ok_or_else(|| absent(*id))?;
        if let Some(error) = auth::check_password("password", password, &person.name) {
            return Err(ApiError::Invalid(vec![error]));
        }
        hash = Some(app.access.passwords.hash(password.clone()).await?);
    }
    match queries::update_person(&mut *app.db().await?, *id, &change, hash).await? {
        Changed::Done(person) => Ok(Json(person.with_sessions(0))),
        Changed::Absent => Err(absent(*id)),
        Changed::LastAdmin => Err(last_admin()),
    }
}

/// Delete an account.
#[utoipa::path(delete, path = "/people/{id}", tag = "access", params(("id" = i64, Path, description = "Number of the person")), responses(
    (status = 204, description = "Deleted, with all sessions"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "No admin would be left"),
))]
pub async fn delete_person(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    match queries::delete_person(&mut *app.db().await?, *id).await? {
        Changed::Done(()) => Ok(HttpResponse::NoContent().finish()),
        Changed::Absent => Err(absent(*id)),
        Changed::LastAdmin => Err(last_admin()),
    }
}

/// Sign somebody out everywhere.
#[utoipa::path(delete, path = "/people/{id}/sessions", tag = "access", params(("id" = i64, Path, description = "Number of the person")), responses(
    (status = 204, description = "All sessions of this person have ended"),
))]
pub async fn sign_out_person(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    let mut conn = app.db().await?;
    queries::person(&mut conn, *id).await?.ok_or_else(|| absent(*id))?;
    sessions::end_all(&mut conn, *id, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List keys.
#[utoipa::path(get, path = "/keys", tag = "access", responses(
    (status = 200, body = KeyList),
))]
pub async fn list_keys(app: Data<App>) -> ApiResult<Json<KeyList>> {
    Ok(Json(KeyList { items: keys::list(&mut *app.db().await?).await? }))
}

/// Make a key.
///
/// The answer is the only one that shows it.
#[utoipa::path(post, path = "/keys", tag = "access", responses(
    (status = 201, body = NewKey, headers(("Location" = String, description = "The key"))),
))]
pub async fn create_key(app: Data<App>, visit: Visit, input: Json<KeyInput>) -> ApiResult<HttpResponse> {
    let errors = input.check();
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let secret = secrets::new_key();
    let key = keys::insert(&mut *app.db().await?, &secret, &input, &visit.caller.name()).await?;
    let location = format!("/api/v1/keys/{}", key.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(NewKey { key, secret }))
}

/// Revoke a key.
#[utoipa::path(delete, path = "/keys/{id}", tag = "access", params(("id" = i64, Path, description = "Number of the key")), responses(
    (status = 204, description = "It opens nothing any more"),
))]
pub async fn revoke_key(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    if keys::delete(&mut *app.db().await?, *id).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(ApiError::not_found("key", id))
}
