//! Whether this process lives, and whether it can work: for load balancers, and for who looks what is wrong.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use actix_web::{HttpResponse, web::Data};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, header::HOST};
use hyper_util::rt::TokioIo;
use shared::health::{Health, HealthCheck, HealthState};

use crate::auth::Rule;
use crate::http::routes::Routes;
use crate::operation;
use crate::{app::App, db, jobs::Queue};

/// A part that says nothing for so long is away.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn configure(routes: &mut Routes) {
    routes.add(operation!(livez), Rule::HEALTH).add(operation!(readyz), Rule::HEALTH);
}

/// Tell that the process lives.
///
/// It asks nobody: a process is not to be restarted because the database is away.
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Tell which parts answer.
///
/// Without the broker the process is `degraded` and still answers 200: files are taken, products are changed, and the work
/// is done when the broker is back.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, body = Health),
    (status = 503, body = Health, description = "Requests would fail, or the process stops"),
))]
pub async fn readyz(app: Data<App>) -> HttpResponse {
    let (database, migrations, broker, storage) =
        tokio::join!(check(database(&app)), check(migrations(&app)), check(broker(&app)), check(storage(&app)));
    let state = match (database.ok && migrations.ok && storage.ok, broker.ok) {
        (false, _) => HealthState::Unready,
        (true, false) => HealthState::Degraded,
        (true, true) => HealthState::Ready,
    };
    let state = if app.shutdown.is_cancelled() { HealthState::Stopping } else { state };
    let health = Health { state, database, migrations, broker, storage };
    let mut response = match state {
        HealthState::Ready | HealthState::Degraded => HttpResponse::Ok(),
        HealthState::Unready | HealthState::Stopping => HttpResponse::ServiceUnavailable(),
    };
    response.insert_header(("Cache-Control", "no-store")).json(health)
}

/// Whom `loadify health` asks: the settings of the web server on this machine that say where it listens.
#[derive(Debug, clap::Args)]
pub struct Question {
    /// Address and port that the web server listens on
    #[arg(long, env, default_value = "127.0.0.1:8000")]
    bind: SocketAddr,

    /// Its port; wins over the port in BIND
    #[arg(long, env)]
    port: Option<u16>,
}

impl Question {
    /// Asks it whether it lives, for the health checks of containers, which have no curl.
    ///
    /// # Errors
    /// When it does not answer in time, or with anything but success.
    pub async fn ask(&self) -> anyhow::Result<()> {
        let address = self.address();
        let asking = async {
            let stream = tokio::net::TcpStream::connect(address).await?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let request = Request::get("/livez").header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
            let status = sender.send_request(request).await?.status();
            anyhow::ensure!(status.is_success(), "it answered {status}");
            anyhow::Ok(())
        };
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        asked
            .unwrap_or_else(|_| anyhow::bail!("no answer within {} s", PATIENCE.as_secs()))
            .with_context(|| format!("http://{address}/livez (BIND, PORT)"))
    }

    /// Who listens everywhere is found on loopback.
    fn address(&self) -> SocketAddr {
        let ip = match self.bind.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.port.unwrap_or(self.bind.port()))
    }
}

async fn check(asking: impl Future<Output = anyhow::Result<()>>) -> HealthCheck {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(())) => HealthCheck::ok(),
        Ok(Err(error)) => HealthCheck::failed(format!("{error:#}")),
        Err(_) => HealthCheck::failed(format!("no answer within {} s", PATIENCE.as_secs())),
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
