//! The web server: the API, its documentation, and the page.

use std::{sync::Arc, time::Duration};

use actix_web::{
    App as ActixApp, HttpServer,
    middleware::{Compress, from_fn},
    web,
};
use anyhow::Context;
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    app::App,
    auth,
    http::{
        assets::{self, Assets},
        error, openapi, security_headers,
    },
    telemetry, uploads,
};

/// How long a stop waits for requests in hand. Streams of events end at once, so they do not use it up.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(7);
/// How long a connection is still read, and what comes forgotten, after an answer that did not wait for the whole body: so
/// long the answer may take to arrive. What a client has in its buffers is sent for nothing meanwhile.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until the process is asked to stop.
pub async fn serve(app: Arc<App>) -> anyhow::Result<()> {
    let address = app.config.address();
    let (head, keep_alive) = (app.config.request_head(), app.config.keep_alive());
    let data = web::Data::from(Arc::clone(&app));
    let document = openapi::document();
    let assets = web::Data::new(Assets::load(&app.config.static_dir)?);
    #[expect(clippy::disallowed_methods, reason = "these are the public files, all else is registered by http::routes")]
    let server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(data.clone())
            .app_data(assets.clone())
            .configure(error::configure_extractors)
            .configure(|config| openapi::routes().register(config))
            // Not behind the guard: what the API can do is no secret, and what it holds is not here.
            .service(SwaggerUi::new("/api/docs/{_:.*}").url("/api/openapi.json", document.clone()))
            .service(web::redirect("/api/docs", "/api/docs/"))
            .default_service(web::to(assets::serve))
            .wrap(from_fn(error::explain_bare_errors))
            .wrap(from_fn(security_headers::protect))
            .wrap(Compress::default())
            .wrap(from_fn(telemetry::observe))
            // Outermost: all that is behind it sees the method that is meant.
            .wrap(from_fn(uploads::override_method))
    })
    .disable_signals()
    // Answered 408. Who sends a byte now and then to keep a place holds it for so long. Actix measures the first request of
    // a connection only; one that drips a later one keeps its connection, but holds up nobody: it costs a socket and a
    // buffer, and a proxy in front ends it. So does one that never ends a chunked body which was refused.
    .client_request_timeout(head)
    // By default more than proxies in front keep theirs (nginx: 60 s), so that it is they who close, and no request meets
    // a connection that is just being closed.
    .keep_alive(keep_alive)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
    .bind(address)
    .with_context(|| format!("cannot listen on {address} (BIND, PORT)"))?;
    // Port 0 means any that is free.
    for address in server.addrs() {
        auth::invite(&app, address).await;
        tracing::info!("Loadify is at http://{address}");
    }
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(async move {
        app.shutdown.cancelled().await;
        // `/readyz` has answered 503 since; a load balancer is to see that before connections are refused.
        tokio::time::sleep(app.config.drain()).await;
        handle.stop(true).await;
    });
    server.await.context("the web server failed")
}
