//! What all requests of the protocol have in common.

use actix_web::{
    ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use crate::{
    app::App,
    auth,
    http::ApiError,
    uploads::protocol::{METHOD_OVERRIDE, TUS_MAX_SIZE, TUS_RESUMABLE, TUS_VERSION, VERSION},
};

/// Where [`override_method`] works.
const PATH: &str = "/api/v1/uploads";

/// Takes the method of a request from `X-HTTP-Method-Override`, for clients in places that know no PATCH or DELETE. Must
/// come before anything that decides by the method.
pub async fn override_method(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let ours =
        auth::routed_path(&request).strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let meant = request.headers().get(METHOD_OVERRIDE).filter(|_| ours);
    match meant.map(|meant| Method::from_bytes(meant.as_bytes())) {
        None => {}
        Some(Ok(method)) => request.head_mut().method = method,
        Some(Err(_)) => {
            let error = ApiError::BadRequest(format!("{METHOD_OVERRIDE} does not name a method"));
            let mut response = request.into_response(error.error_response());
            response.headers_mut().insert(named(TUS_RESUMABLE), HeaderValue::from_static(VERSION));
            return Ok(response.map_into_right_body());
        }
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// Checks the version of a request, and says ours in each answer.
pub async fn speak(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let is_options = request.method() == Method::OPTIONS;
    let spoken = request.headers().get(TUS_RESUMABLE).is_some_and(|version| version == VERSION);
    let max_bytes = request.app_data::<Data<App>>().map(|app| app.config.max_upload_bytes);
    let mut response = if spoken || is_options {
        next.call(request).await?.map_into_left_body()
    } else {
        request.into_response(ApiError::TusVersion.error_response()).map_into_right_body()
    };
    let status = response.status();
    let headers = response.headers_mut();
    if !is_options {
        headers.insert(named(TUS_RESUMABLE), HeaderValue::from_static(VERSION));
    }
    match (status, max_bytes) {
        (StatusCode::PRECONDITION_FAILED, _) => {
            headers.insert(named(TUS_VERSION), HeaderValue::from_static(VERSION));
        }
        (StatusCode::PAYLOAD_TOO_LARGE, Some(bytes)) => {
            headers.insert(named(TUS_MAX_SIZE), HeaderValue::from(bytes));
        }
        _ => {}
    }
    Ok(response)
}

fn named(name: &'static str) -> HeaderName {
    HeaderName::try_from(name).expect("the names of the protocol are names of headers")
}
