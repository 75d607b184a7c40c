//! The API's document (OpenAPI 3.1), generated from the handlers.

use utoipa::OpenApi;

use crate::{
    auth,
    http::{health, routes::Routes},
    imports, products, telemetry, uploads, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Loadify", description = "Imports large CSV files of products, and lets people and programs manage them. Errors are problem details (RFC 9457) with a stable `code`."),
    components(schemas(shared::problem::Problem, shared::event::ImportState, shared::event::ImportEvent)),
    tags(
        (name = "imports", description = "Files on their way into the catalogue"),
        (name = "uploads", description = "Resumable uploads by the tus protocol 1.0.0"),
        (name = "products", description = "The catalogue"),
        (name = "webhooks", description = "Other systems that are told of changes"),
        (name = "auth", description = "Users, sessions, keys, and the audit log"),
        (name = "operations", description = "How a process is doing"),
    )
)]
struct Document;

/// Returns every operation of the program.
pub fn routes() -> Routes {
    let mut routes = Routes::default();
    routes.configure(health::configure).configure(telemetry::configure);
    routes
        .under("/api/v1")
        .configure(imports::configure)
        .configure(uploads::configure)
        .configure(products::configure)
        .configure(webhooks::configure)
        .configure(auth::configure);
    routes
}

/// Returns the whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    webhooks::describe(&mut document);
    auth::describe(&mut document);
    routes().describe(&mut document);
    document
}

/// Prints the document as YAML.
pub fn print() -> anyhow::Result<()> {
    print!("{}", document().to_yaml()?);
    Ok(())
}
