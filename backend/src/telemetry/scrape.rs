//! `GET /metrics`, for Prometheus.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{App as ActixApp, HttpResponse, HttpServer, web, web::Data};
use anyhow::Context;
use diesel_async::AsyncPgConnection;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use crate::{app::App, auth::Rule, http::routes::Routes, imports, operation, products, telemetry::metrics, webhooks};

/// How long the values from the database are reused: several scrapers should not cost more than one.
const CACHE_TTL: Duration = Duration::from_secs(1);
/// How long a scrape waits for the database.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often recorded values are aggregated when no scrape does so: single values take memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Renders the metrics of this process.
pub struct Scraper {
    handle: PrometheusHandle,
    queried_at: Mutex<Option<Instant>>,
}

impl Scraper {
    /// Starts to record. Must be called within a runtime.
    pub fn start() -> anyhow::Result<Self> {
        let handle = metrics::install()?;
        let kept = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                kept.run_upkeep();
            }
        });
        Ok(Self { handle, queried_at: Mutex::new(None) })
    }

    /// Returns the metrics in Prometheus' exposition format.
    async fn scrape(&self, app: &App) -> String {
        metrics::pool(&app.pool);
        let mut queried_at = self.queried_at.lock().await;
        if queried_at.is_none_or(|at| at.elapsed() > CACHE_TTL) {
            let depths =
                tokio::time::timeout(DATABASE_TIMEOUT, async { depths(&mut *app.pool.get().await?).await }).await;
            let depths =
                depths.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", DATABASE_TIMEOUT.as_secs())));
            if let Err(error) = &depths {
                tracing::debug!("The depth of the queues is unknown: {error:#}");
            }
            metrics::queues(depths.as_ref().ok().map(|depths| &depths[..]));
            *queried_at = Some(Instant::now());
        }
        drop(queried_at);
        self.handle.render()
    }
}

/// Returns how many rows are due, by queue.
async fn depths(conn: &mut AsyncPgConnection) -> anyhow::Result<[(&'static str, i64); 3]> {
    Ok([
        ("imports", imports::due_count(conn).await?),
        ("bulk_jobs", products::due_count(conn).await?),
        ("deliveries", webhooks::due_count(conn).await?),
    ])
}

pub fn configure(routes: &mut Routes) {
    routes.add(operation!(get_metrics), Rule::SIGNED_IN);
}

/// Get metrics for Prometheus.
///
/// Of this process: requests, imports, rows, deliveries, streams, connections; of the installation: the rows that are due.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn get_metrics(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .body(app.scraper.scrape(&app).await)
}

/// Serves metrics, and nothing else, on an address of their own until the process stops.
pub async fn listen(app: Arc<App>, address: SocketAddr) -> anyhow::Result<()> {
    let data = Data::from(Arc::clone(&app));
    #[expect(clippy::disallowed_methods, reason = "a listener of its own, with metrics and nothing else")]
    let server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(data.clone())
            .route("/metrics", web::get().to(get_metrics))
            .route("/livez", web::get().to(|| async { "ok\n" }))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(address)
    .with_context(|| format!("cannot listen on {address} (METRICS_BIND)"))?;
    for address in server.addrs() {
        tracing::info!("Metrics are at http://{address}/metrics");
    }
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(async move {
        app.shutdown.cancelled().await;
        handle.stop(true).await;
    });
    server.await.context("the metrics server failed")
}
