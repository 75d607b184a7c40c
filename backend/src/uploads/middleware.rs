//! What all requests of the tus protocol have in common.

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

/// Path under which [`override_method`] works.
const UPLOADS_PATH: &str = "/api/v1/uploads";

/// Replaces the method of a request by that in `X-HTTP-Method-Override`, for clients in environments without PATCH or DELETE.
/// Must run before everything that decides by the method.
pub async fn override_method(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let applies = auth::routed_path(&request)
        .strip_prefix(UPLOADS_PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let requested = request.headers().get(METHOD_OVERRIDE).filter(|_| applies);
    match requested.map(|method| Method::from_bytes(method.as_bytes())) {
        None => {}
        Some(Ok(method)) => request.head_mut().method = method,
        Some(Err(_)) => {
            let error = ApiError::BadRequest(format!("{METHOD_OVERRIDE} is not the name of a method"));
            let mut response = request.into_response(error.error_response());
            response.headers_mut().insert(header_name(TUS_RESUMABLE), HeaderValue::from_static(VERSION));
            return Ok(response.map_into_right_body());
        }
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// Checks the protocol version of a request, and adds ours to each response.
pub async fn negotiate_version(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let is_options = request.method() == Method::OPTIONS;
    let is_supported = request.headers().get(TUS_RESUMABLE).is_some_and(|version| version == VERSION);
    let max_bytes = request.app_data::<Data<App>>().map(|app| app.config.max_upload_bytes);
    let mut response = if is_supported || is_options {
        next.call(request).await?.map_into_left_body()
    } else {
        request.into_response(ApiError::TusVersion.error_response()).map_into_right_body()
    };
    let status = response.status();
    let headers = response.headers_mut();
    if !is_options {
        headers.insert(header_name(TUS_RESUMABLE), HeaderValue::from_static(VERSION));
    }
    match (status, max_bytes) {
        (StatusCode::PRECONDITION_FAILED, _) => {
            headers.insert(header_name(TUS_VERSION), HeaderValue::from_static(VERSION));
        }
        (StatusCode::PAYLOAD_TOO_LARGE, Some(bytes)) => {
            headers.insert(header_name(TUS_MAX_SIZE), HeaderValue::from(bytes));
        }
        _ => {}
    }
    Ok(response)
}

fn header_name(name: &'static str) -> HeaderName {
    HeaderName::try_from(name).expect("the names of the protocol are valid header names")
}
