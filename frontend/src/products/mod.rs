//! The catalogue: a list that is searched, sorted and filtered, one product beside it, and changes of many.

mod attributes;
mod bulk;
mod catalogue;
mod conflict;
mod delete_all;
mod draft;
mod fields;
mod filters;
mod form;
mod guard;
mod job;
mod keyboard;
mod marks;
mod menu;
mod news;
mod page;
mod pager;
mod panel;
mod prefs;
mod query;
mod remove;
mod requests;
mod row;
mod selection;
mod shown;
mod sorting_in;
mod table;
mod toolbar;

pub use page::ProductsPage;
pub use sorting_in::SortingIn;
