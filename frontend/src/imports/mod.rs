//! Files on their way into the catalogue: sending them, watching one go in, and all that there were.

mod balance;
mod cancel;
mod event_log;
mod from_url;
mod history_page;
mod live_page;
mod log;
mod notices;
mod pace;
mod progress;
mod rejected;
mod run;
mod start_page;
mod status;
mod table;
mod upload;

pub use history_page::HistoryPage;
pub use live_page::LivePage;
pub use start_page::StartPage;
pub use upload::{DropOverlay, UploadPill, Uploads};
