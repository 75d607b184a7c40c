//! The API as a document (OpenAPI 3.1), made from the code that serves it.

use actix_web::dev::{ServiceFactory, ServiceRequest};
use utoipa::OpenApi;
use utoipa_actix_web::{AppExt, UtoipaApp};

use crate::{access, health, imports, products, uploads, webhooks};

#[derive(OpenApi)]
#[openapi(
    info(title = "Loadify", description = "Imports large CSV files of products, and lets people and programs manage them. Errors are problem details (RFC 9457) with a stable `code`."),
    components(schemas(shared::Problem, shared::ImportState, shared::ImportEvent)),
    tags(
        (name = "imports", description = "Files on their way into the catalogue"),
        (name = "uploads", description = "Files in pieces, by the tus protocol 1.0.0: an upload that is cut goes on where it was"),
        (name = "products", description = "The catalogue"),
        (name = "webhooks", description = "Other systems that are told of changes"),
        (name = "access", description = "People, their sessions, keys, and the audit log"),
        (name = "operations", description = "How a process is doing"),
    )
)]
struct Document;

/// Adds every route of the API to `app`.
pub fn routes<T>(app: UtoipaApp<T>) -> UtoipaApp<T>
where
    T: ServiceFactory<ServiceRequest, Config = (), Error = actix_web::Error, InitError = ()>,
{
    let mut document = Document::openapi();
    webhooks::describe(&mut document);
    access::describe(&mut document);
    app.openapi(document).configure(health::configure).service(
        utoipa_actix_web::scope("/api/v1")
            .configure(imports::configure)
            .configure(uploads::configure)
            .configure(products::configure)
            .configure(webhooks::configure)
            .configure(access::configure),
    )
}

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    routes(actix_web::App::new().into_utoipa_app()).split_for_parts().1
}

/// Prints the document as YAML.
pub fn print() -> anyhow::Result<()> {
    print!("{}", document().to_yaml()?);
    Ok(())
}
