//! The list of products: search, filters, columns, pages, and the hint that products changed.

pub mod catalogue;
pub mod changes;
mod filter_panel;
pub mod filters;
mod highlight;
pub mod import_note;
pub mod indexing;
pub mod keyboard;
mod menu;
pub mod pager;
pub mod prefs;
pub mod query;
mod row;
mod search_field;
pub mod table;
pub mod toolbar;
