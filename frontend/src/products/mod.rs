//! The products page: a searchable list, one product next to it, and changes of many products at once.

mod bulk;
mod detail;
mod list;
mod page;
mod requests;

pub use list::indexing::IndexingNote;
pub use page::ProductsPage;
