//! `/metrics`, for Prometheus.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{App as ActixApp, HttpResponse, HttpServer, web, web::Data};
use anyhow::Context;
use diesel::{dsl::sql_query, prelude::*, sql_types::BigInt};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use crate::auth::Rule;
use crate::http::routes::Routes;
use crate::operation;
use crate::{app::App, telemetry::metrics};

/// How long what the database said is repeated: several scrapers shall not cost more than one.
const BELIEVED: Duration = Duration::from_secs(1);
/// A database that says nothing for so long is away; a scrape does not wait for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often what was recorded is summed up if nobody scrapes: single values take memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// Gives out the figures of this process.
pub struct Scraper {
    handle: PrometheusHandle,
    asked: Mutex<Option<Instant>>,
}

impl Scraper {
    /// Begins to record. Must be called within a runtime.
    pub fn start() -> anyhow::Result<Self> {
        let handle = metrics::install()?;
        let kept = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                kept.run_upkeep();
            }
        });
        Ok(Self { handle, asked: Mutex::new(None) })
    }

    /// Text in Prometheus' exposition format.
    async fn scrape(&self, app: &App) -> String {
        metrics::pool(&app.pool);
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|asked| asked.elapsed() > BELIEVED) {
            let depths = tokio::time::timeout(PATIENCE, async { depths(&mut *app.pool.get().await?).await }).await;
            let depths = depths.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())));
            if let Err(error) = &depths {
                tracing::debug!("Queues cannot be measured: {error:#}");
            }
            metrics::queues(depths.as_ref().ok().map(|depths| &depths[..]));
            *asked = Some(Instant::now());
        }
        drop(asked);
        self.handle.render()
    }
}

#[derive(QueryableByName)]
struct Depths {
    #[diesel(sql_type = BigInt)]
    imports: i64,
    #[diesel(sql_type = BigInt)]
    bulk_jobs: i64,
    #[diesel(sql_type = BigInt)]
    deliveries: i64,
}

/// How many rows are due, by queue. What a worker holds is not due: its `wake_at` is the end of its lease.
async fn depths(conn: &mut AsyncPgConnection) -> anyhow::Result<[(&'static str, i64); 3]> {
    let found: Depths = sql_query(
        "SELECT (SELECT count(*) FROM imports WHERE status IN ('queued', 'running') AND wake_at <= now()) AS imports, \
             (SELECT count(*) FROM bulk_jobs WHERE status IN ('queued', 'running') AND wake_at <= now()) AS bulk_jobs, \
             (SELECT count(*) FROM webhook_deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id \
              WHERE d.status = 'pending' AND d.wake_at <= now() AND w.enabled) AS deliveries",
    )
    .get_result(conn)
    .await?;
    Ok([("imports", found.imports), ("bulk_jobs", found.bulk_jobs), ("deliveries", found.deliveries)])
}

pub fn configure(routes: &mut Routes) {
    routes.add(operation!(get_metrics), Rule::SIGNED_IN);
}

/// Tell figures to Prometheus.
///
/// Of this process: requests, imports, rows, deliveries, streams, connections; and of the installation: what is due.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn get_metrics(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .body(app.scraper.scrape(&app).await)
}

/// Tells figures, and nothing else, on an address of its own until the process stops.
pub async fn listen(app: Arc<App>, address: SocketAddr) -> anyhow::Result<()> {
    let data = Data::from(Arc::clone(&app));
    #[expect(clippy::disallowed_methods, reason = "a listener of its own, with figures and nothing else")]
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
    server.await.context("the server of metrics failed")
}
