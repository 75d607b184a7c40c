//! Log and metrics.
//!
//! `requests` assigns each request an id, a span and a line in the log. `metrics` is the only file that records values;
//! `scrape` reads those that are only known on demand, and serves all of them.

mod logs;
pub mod metrics;
mod requests;
mod scrape;

pub use logs::{LogFormat, init};
pub use requests::{current_id, observe};
pub use scrape::{Scraper, configure, listen};
