//! The web server: the API, its documentation, and the page.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_http::{HttpService, Protocol};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, map_config};
use actix_web::{
    App as ActixApp, HttpResponse,
    body::MessageBody,
    dev::{AppConfig, ServiceResponse},
    middleware::{Compress, from_fn},
    web,
};
use anyhow::Context;
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    app::App,
    auth,
    http::{
        assets::{self, Assets},
        connections::{self, Connection, Connections},
        error, openapi, security_headers,
    },
    telemetry, uploads,
};

/// How long a stop waits for running requests. Streams of events end at once, so they do not use it up.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(7);
/// How long a connection is still read, and the data discarded, after a response that did not wait for the whole body: time
/// for the response to arrive.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 2_048;

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the address cannot be bound, or the files of the page cannot be read.
pub async fn serve(app: Arc<App>) -> anyhow::Result<()> {
    let (listener, address) = listen(app.config.address())?;
    let connections = Connections::new(&app.config, connections::raise_file_limit());
    let assets = web::Data::new(Assets::load(&app.config.static_dir)?);
    let draining = CancellationToken::new();
    let factory = {
        let (app, draining) = (Arc::clone(&app), draining.clone());
        move || {
            let draining = draining.clone();
            let http = HttpService::build()
                .graceful_shutdown_signal(move || draining.clone().cancelled_owned())
                // Responds 408. Actix measures the first request of a connection only; `connections` measures the others.
                .client_request_timeout(app.config.request_head())
                // By default longer than proxies in front keep their connections (nginx: 60 s), so that they close first, and
                // no request meets a connection that is just being closed.
                .keep_alive(app.config.keep_alive())
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .on_connect_ext(|connection: &Connection, data| drop(data.insert(Arc::clone(&connection.activity))))
                .local_addr(address)
                .finish(map_config(service(Arc::clone(&app), assets.clone()), |()| AppConfig::default()));
            let connections = Arc::clone(&connections);
            apply_fn_factory(http, move |stream: TcpStream, http| {
                let peer = stream.peer_addr().ok();
                let admitted = connections.admit(peer.map(|peer| peer.ip()));
                let served =
                    admitted.map(|admitted| (http.call((admitted.wrap(stream), Protocol::Http1, peer)), admitted));
                async move {
                    let Some((serving, admitted)) = served else { return Ok(()) };
                    tokio::select! {
                        result = serving => result,
                        () = admitted.expired() => Ok(()),
                    }
                }
            })
        }
    };
    let server = actix_server::Server::build()
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
        .listen("http", listener, factory)
        .context("cannot start the web server")?;
    auth::print_setup_link(&app, address).await;
    tracing::info!("Loadify is at http://{address}");
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(async move {
        app.shutdown.cancelled().await;
        // `/readyz` has answered 503 since; a load balancer must see that before connections are refused.
        tokio::time::sleep(app.config.drain()).await;
        draining.cancel();
        handle.stop(true).await;
    });
    server.await.context("the web server failed")
}

/// Returns the listener and its address: port 0 means any that is free.
fn listen(address: SocketAddr) -> anyhow::Result<(std::net::TcpListener, SocketAddr)> {
    let listening = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?.into_std()?;
        let address = listener.local_addr()?;
        std::io::Result::Ok((listener, address))
    };
    listening().with_context(|| format!("cannot listen on {address} (BIND, PORT)"))
}

#[expect(clippy::disallowed_methods, reason = "these are the public files, all else is registered by http::routes")]
fn service(
    app: Arc<App>,
    assets: web::Data<Assets>,
) -> impl ServiceFactory<
    actix_http::Request,
    Config = AppConfig,
    Response = ServiceResponse<impl MessageBody>,
    Error = HttpResponse,
    InitError = (),
> {
    ActixApp::new()
        .app_data(web::Data::from(app))
        .app_data(assets)
        .configure(error::configure_extractors)
        .configure(|config| openapi::routes().register(config))
        // Public: the document describes the API, and contains no data.
        .service(SwaggerUi::new("/api/docs/{_:.*}").url("/api/openapi.json", openapi::document()))
        .service(web::redirect("/api/docs", "/api/docs/"))
        .default_service(web::to(assets::serve))
        .wrap(from_fn(error::explain_bare_errors))
        .wrap(from_fn(security_headers::protect))
        .wrap(Compress::default())
        .wrap(from_fn(telemetry::observe))
        // Before all others, so that they see the overriding method.
        .wrap(from_fn(uploads::override_method))
        .wrap(from_fn(connections::track))
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response())
}
