//! Selecting products, and changing or deleting many of them at once.

pub mod bar;
pub mod delete;
pub mod delete_all;
mod job;
pub mod selection;
