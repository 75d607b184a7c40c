//! Imports: uploading files, watching an import, and the history.

mod cancel;
mod event_log;
mod from_url;
mod history_page;
mod live_page;
mod log;
mod notices;
mod progress;
mod rejected;
mod requests;
mod result;
mod retry;
mod run;
mod running;
mod start_page;
mod status;
mod stream;
mod table;
mod throughput;
mod upload;

pub use history_page::HistoryPage;
pub use live_page::LivePage;
pub use requests::{get_import, list_imports};
pub use running::{RunningBadge, RunningImports};
pub use start_page::StartPage;
pub use upload::{DropOverlay, UploadPill, Uploads};
