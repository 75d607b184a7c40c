//! The API of one process, from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod access;
mod access_headers;
mod access_rules;
mod access_secrets;
mod assets;
mod bulk;
mod by_url;
mod errors;
mod export;
mod files;
mod health;
mod imports;
mod limits;
mod live;
mod model;
mod news;
mod openapi;
mod product;
mod products;
mod retention;
mod search;
mod search_index;
mod slow;
mod telemetry;
mod upload_clients;
mod upload_faults;
mod upload_races;
mod upload_reference;
mod uploads;
mod webhook_receivers;
mod webhook_safety;
mod webhook_sending;
mod webhooks;
mod wipe;
