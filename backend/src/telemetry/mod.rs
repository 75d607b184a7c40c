//! What a process tells about itself: its log, with the ids of what it works on, and its metrics.
//!
//! `requests` gives each request an id, a span and a line in the log. `metrics` is the only file that records figures;
//! `scrape` reads those that are asked for at the moment when they are wanted, and serves them all.

mod logs;
pub mod metrics;
mod requests;
mod scrape;

pub use logs::{LogFormat, init};
pub use requests::{current_id, observe};
pub use scrape::{Scraper, configure, listen};
