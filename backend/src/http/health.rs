//! Liveness and readiness of this process, for load balancers, orchestrators and operators.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, web::Data};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, header::HOST};
use hyper_util::rt::TokioIo;
use shared::health::{Health, HealthCheck, HealthState};
use tokio::sync::Mutex;

use crate::{app::App, auth::Rule, db, http::routes::Routes, jobs::Queue, operation};

/// How long a part may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

pub fn configure(routes: &mut Routes) {
    routes.add(operation!(livez), Rule::HEALTH).add(operation!(readyz), Rule::HEALTH);
}

/// Check that the process is alive.
///
/// No component is checked: a process should not be restarted because the database is unavailable.
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Check which components respond.
///
/// Without the broker the process is `degraded` and still answers 200: files are accepted, products are changed, and the work
/// is done when the broker is available again.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, body = Health),
    (status = 503, body = Health, description = "Requests would fail, or the process stops"),
))]
pub async fn readyz(app: Data<App>) -> HttpResponse {
    let health = app.readiness.check(&app).await;
    let mut response = match health.state {
        HealthState::Ready | HealthState::Degraded => HttpResponse::Ok(),
        HealthState::Unready | HealthState::Stopping => HttpResponse::ServiceUnavailable(),
    };
    response.insert_header(("Cache-Control", "no-store")).json(health)
}

/// Runs the checks of `/readyz`, which anyone may request, one at a time: requests that arrive during a check share the next.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Health)>>);

impl Readiness {
    async fn check(&self, app: &App) -> Health {
        let requested_at = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((started_at, health)) = &*last
            && *started_at > requested_at
        {
            return health.clone();
        }
        let started_at = Instant::now();
        let health = check_all(app).await;
        *last = Some((started_at, health.clone()));
        health
    }
}

async fn check_all(app: &App) -> Health {
    let (database, migrations, broker, storage) = tokio::join!(
        check("database", database(app)),
        check("schema", migrations(app)),
        check("broker", broker(app)),
        check("file storage", storage(app)),
    );
    let state = match (database.ok && migrations.ok && storage.ok, broker.ok) {
        (false, _) => HealthState::Unready,
        (true, false) => HealthState::Degraded,
        (true, true) => HealthState::Ready,
    };
    let state = if app.shutdown.is_cancelled() { HealthState::Stopping } else { state };
    Health { state, database, migrations, broker, storage }
}

/// Where the web server on this machine listens.
#[derive(Debug, clap::Args)]
pub struct HealthCommand {
    /// Address and port that the web server listens on
    #[arg(long, env, default_value = "127.0.0.1:8000")]
    bind: SocketAddr,

    /// Its port; takes precedence over the port in BIND
    #[arg(long, env)]
    port: Option<u16>,
}

impl HealthCommand {
    /// Asks the web server for its liveness, for the health checks of containers, which have no curl.
    ///
    /// # Errors
    /// When it does not answer in time, or with anything but success.
    pub async fn run(&self) -> anyhow::Result<()> {
        let address = self.address();
        let asking = async {
            let stream = tokio::net::TcpStream::connect(address).await?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let request = Request::get("/livez").header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
            let status = sender.send_request(request).await?.status();
            anyhow::ensure!(status.is_success(), "the server answered {status}");
            anyhow::Ok(())
        };
        let asked = tokio::time::timeout(CHECK_TIMEOUT, asking).await;
        asked
            .unwrap_or_else(|_| anyhow::bail!("no answer within {} s", CHECK_TIMEOUT.as_secs()))
            .with_context(|| format!("http://{address}/livez (BIND, PORT)"))
    }

    /// Returns where to connect: a server on all addresses is reached on loopback.
    fn address(&self) -> SocketAddr {
        let ip = match self.bind.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.port.unwrap_or(self.bind.port()))
    }
}

/// Anyone may read the result, so it does not contain the cause, which may name hosts and paths.
async fn check(part: &str, checking: impl Future<Output = anyhow::Result<()>>) -> HealthCheck {
    let checked = tokio::time::timeout(CHECK_TIMEOUT, checking).await;
    let checked = checked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", CHECK_TIMEOUT.as_secs())));
    match checked {
        Ok(()) => HealthCheck::ok(),
        Err(error) => {
            tracing::warn!("Not ready: {part}: {error:#}");
            HealthCheck::failed(format!("the {part} is not usable; the log of this process says why"))
        }
    }
}

async fn database(app: &App) -> anyhow::Result<()> {
    db::ping(&mut *app.pool.get().await?).await
}

async fn migrations(app: &App) -> anyhow::Result<()> {
    let missing = db::missing_migrations(&mut *app.pool.get().await?).await?;
    anyhow::ensure!(missing == 0, "{missing} migrations are not applied; run `loadify migrate`");
    Ok(())
}

async fn broker(app: &App) -> anyhow::Result<()> {
    match &app.queue {
        Queue::Celery(producer) => producer.probe().await,
        Queue::Embedded(_) => Ok(()),
    }
}

async fn storage(app: &App) -> anyhow::Result<()> {
    app.storage.probe().await.map_err(|error| anyhow::anyhow!("{}: {error}", app.storage.location()))
}
