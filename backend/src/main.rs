//! Loadify imports large product files into PostgreSQL and shows their progress live.
//!
//! One binary, several roles. `all` is web server and worker in one process; `serve` and `work` run them separately, on any
//! number of hosts, which share PostgreSQL, RabbitMQ and a file storage, and nothing else.

mod app;
mod auth;
mod config;
mod db;
mod events;
mod http;
mod imports;
mod jobs;
mod net;
mod products;
mod sample;
mod schema;
mod storage;
mod telemetry;
mod uploads;
mod webhooks;

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::{Parser, Subcommand};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::LocalSet,
};

use crate::{
    app::App,
    config::{Config, DatabaseConfig},
    jobs::{Endpoint, Producer, Queue},
    telemetry::LogFormat,
};

/// Returns memory to the system after large blocks were freed, which the system's allocator does not; options are in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long running work may take when the process is asked to stop: Docker kills it after 10 seconds, Heroku after 30.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(9);

#[derive(Parser)]
#[command(name = "loadify", version, about = "Imports large CSV files of products into PostgreSQL, live")]
struct Cli {
    #[command(subcommand)]
    role: Role,

    /// Format of the log on stderr
    #[arg(long, env, value_enum, default_value_t = LogFormat::Human, global = true)]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Role {
    /// Web server and worker in one process
    All(Config),
    /// Web server only; work goes through RabbitMQ
    Serve(Config),
    /// Worker only
    Work(Config),
    /// Update the database's schema
    Migrate(DatabaseConfig),
    /// Create keys for programs
    Key(auth::KeyCommand),
    /// Set the password of an account; reads it from the standard input
    SetPassword(auth::PasswordCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Write a CSV file of random products
    Sample(sample::Options),
    /// Check that the web server on this machine is alive; exits with 0 if so
    Health(http::health::HealthCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::init(cli.log_format);
    let result = match cli.role {
        Role::All(config) => Box::pin(run(config, true, true)).await,
        Role::Serve(config) => Box::pin(run(config, true, false)).await,
        Role::Work(config) => Box::pin(run(config, false, true)).await,
        Role::Migrate(config) => db::migrate(&config).await,
        Role::Key(command) => auth::create_key(command).await,
        Role::SetPassword(command) => auth::set_password(command).await,
        Role::Openapi => http::openapi::print(),
        Role::Sample(options) => sample::write(&options),
        Role::Health(command) => command.run().await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadify: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config, web: bool, work: bool) -> anyhow::Result<()> {
    db::migrate(&config.database).await?;
    let (sender, embedded) = mpsc::unbounded_channel();
    let broker = Endpoint::from_config(&config.broker)?;
    let queue = match &broker {
        Some(endpoint) => Queue::Celery(Producer::start(endpoint.clone(), config.broker.broker_queue.clone())),
        None if web && !work => {
            anyhow::bail!(
                "BROKER_URL is missing: serve sends work to workers through RabbitMQ; `loadify all` needs no broker"
            )
        }
        None => Queue::Embedded(sender),
    };
    if config.storage_url.scheme() == "memory" && !(web && work) {
        anyhow::bail!("STORAGE_URL: memory:/// cannot be shared by processes; serve and work need file:// or s3://");
    }
    let app = App::new(config, queue)?;
    if web {
        auth::prepare(&app).await?;
    }
    stop_on_signals(Arc::clone(&app))?;

    let serving = async {
        if web {
            tokio::try_join!(http::server::serve(Arc::clone(&app)), async {
                events::listen(&app).await;
                Ok(())
            })?;
        }
        anyhow::Ok(())
    };
    let working = async {
        if work {
            app.running.spawn(webhooks::run_dispatcher(Arc::clone(&app)));
            let tasks = async {
                match broker {
                    Some(endpoint) => jobs::consume(Arc::clone(&app), endpoint).await,
                    None => jobs::run_embedded(Arc::clone(&app), embedded).await,
                }
            };
            tokio::join!(tasks, jobs::run_scheduler(&app));
        }
        anyhow::Ok(())
    };
    let metrics = async {
        match app.config.metrics_bind {
            Some(address) => telemetry::listen(Arc::clone(&app), address).await,
            None => Ok(()),
        }
    };
    // Celery's consumer cannot move between threads; the tasks that it starts can.
    LocalSet::new().run_until(Box::pin(async { tokio::try_join!(serving, working, metrics) })).await?;
    app.running.close();
    if tokio::time::timeout_at(app.stops_at(SHUTDOWN_TIMEOUT), app.running.wait()).await.is_err() {
        anyhow::bail!("a task did not stop within {} s; another worker will continue it", SHUTDOWN_TIMEOUT.as_secs());
    }
    tracing::info!("Stopped");
    Ok(())
}

/// Stops the process gracefully on the first SIGTERM or SIGINT, at once on the second.
fn stop_on_signals(app: Arc<App>) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if app.shutdown.is_cancelled() {
                std::process::exit(1);
            }
            tracing::info!("Stopping");
            app.stop();
        }
    });
    Ok(())
}
