//! Loadify: half a million products from a CSV file into PostgreSQL, live.
//!
//! One binary, several roles. `all` is the whole product in one process; `serve` and `work` are its halves, on any number
//! of hosts, which share PostgreSQL, RabbitMQ and a file storage, and nothing else.

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
    jobs::{Producer, Queue},
    telemetry::LogFormat,
};

/// Gives back what it need not have, which the system's does not when large blocks come and go; set in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long all that is in hand may take once the process is asked to stop: Heroku and Docker kill after 30 and 10 seconds.
const GRACE: Duration = Duration::from_secs(9);

#[derive(Parser)]
#[command(name = "loadify", version, about = "Imports large CSV files of products into PostgreSQL, live")]
struct Cli {
    #[command(subcommand)]
    role: Role,

    /// How the log on stderr looks
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
    /// Bring the database's schema up to date
    Migrate(DatabaseConfig),
    /// Make keys for programs
    Key(auth::KeyCommand),
    /// Set the password of an account, for who is locked out; reads it from the standard input
    SetPassword(auth::PasswordCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Write a CSV of made-up products
    Sample(sample::Options),
    /// Ask the web server on this machine whether it lives; exits with 0 if so
    Health(http::health::Question),
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
        Role::Health(question) => question.ask().await,
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
    let broker = config.broker()?;
    let queue = match &broker {
        Some(endpoint) => Queue::Celery(Producer::start(endpoint.clone(), config.broker_queue.clone())),
        None if web && !work => {
            anyhow::bail!("serve needs BROKER_URL, through which workers hear of imports; `loadify all` needs none")
        }
        None => Queue::Embedded(sender),
    };
    if config.storage_url.scheme() == "memory" && !(web && work) {
        anyhow::bail!(
            "STORAGE_URL: memory:/// cannot be shared; web and workers that are processes of their own need file:// or s3://"
        );
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
    let telling = async {
        match app.config.metrics_bind {
            Some(address) => telemetry::listen(Arc::clone(&app), address).await,
            None => Ok(()),
        }
    };
    // Celery's consumer cannot move between threads; what it starts can.
    LocalSet::new().run_until(Box::pin(async { tokio::try_join!(serving, working, telling) })).await?;
    app.running.close();
    if tokio::time::timeout_at(app.stops_at(GRACE), app.running.wait()).await.is_err() {
        anyhow::bail!("a task did not stop within {} s; another worker will take it up", GRACE.as_secs());
    }
    tracing::info!("Stopped");
    Ok(())
}

/// The first SIGTERM or SIGINT asks everything to come to an end, the second ends the process.
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
