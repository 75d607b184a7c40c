//! The catalogue.

mod cursor;
mod list;
mod routes;
mod row;
mod search;

pub use routes::configure;
pub use search::{Tender, note_texts};
