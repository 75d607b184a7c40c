//! Webhooks: who is told of changes, how each receiver has been doing, and what it was sent.

mod attempt;
mod card;
mod delivery;
mod form;
mod hook;
mod list_page;
mod log;
mod page;
mod query;
mod refresh;
mod replay;
mod requests;
mod secret;
mod snippet;
mod strip;
mod switch;
mod trial;
mod words;

pub use list_page::WebhooksPage;
pub use page::WebhookPage;
