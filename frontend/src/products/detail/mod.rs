//! One product next to the list: its details, its form, and conflicts when two users edit it.

mod attributes;
mod conflict;
mod conflict_view;
pub mod details;
mod fields;
mod form;
mod form_state;
mod form_view;
pub mod panel;
pub mod unsaved_changes;
