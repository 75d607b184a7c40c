//! The web server: the API, its documentation, and the page.

use std::{sync::Arc, time::Duration};

use actix_web::{
    App as ActixApp, HttpServer,
    middleware::{Compress, from_fn},
    web,
};
use anyhow::Context;
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    access,
    app::App,
    assets::Assets,
    error::{self, Methods},
    openapi, uploads,
};

/// How long a stop waits for requests in hand. Streams of events end at once, so they do not use it up.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// Serves until the process is asked to stop.
pub async fn serve(app: Arc<App>) -> anyhow::Result<()> {
    let address = app.config.address();
    let data = web::Data::from(Arc::clone(&app));
    let methods = web::Data::new(Methods::new(&openapi::document())?);
    let assets = web::Data::new(Assets::load(&app.config.static_dir)?);
    let server = HttpServer::new(move || {
        let (routes, document) = openapi::routes(ActixApp::new().into_utoipa_app()).split_for_parts();
        routes
            .app_data(data.clone())
            .app_data(assets.clone())
            .app_data(methods.clone())
            .configure(error::configure_extractors)
            .service(SwaggerUi::new("/api/docs/{_:.*}").url("/api/openapi.json", document))
            .service(web::redirect("/api/docs", "/api/docs/"))
            .default_service(web::to(crate::assets::serve))
            .wrap(from_fn(access::guard))
            .wrap(from_fn(error::explain_bare_errors))
            .wrap(from_fn(access::protect))
            .wrap(Compress::default())
            // Outermost: all that is behind it sees the method that is meant.
            .wrap(from_fn(uploads::override_method))
    })
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
    .bind(address)
    .with_context(|| format!("cannot listen on {address} (BIND, PORT)"))?;
    // Port 0 means any that is free.
    for address in server.addrs() {
        access::invite(&app, address).await;
        tracing::info!("Loadify is at http://{address}");
    }
    let server = server.run();
    let handle = server.handle();
    let stopped = app.shutdown.clone();
    tokio::spawn(async move {
        stopped.cancelled().await;
        handle.stop(true).await;
    });
    server.await.context("the web server failed")
}
