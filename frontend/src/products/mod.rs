//! The catalogue.

mod page;
mod table;

pub use page::ProductsPage;
