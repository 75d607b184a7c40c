//! Who is signed in and what they may do; people, keys of programs, and the record of what was done.

mod account;
mod again;
mod agent;
mod audit_page;
mod audit_query;
mod entrance;
mod gate;
mod key_dialogs;
mod keys_page;
mod next;
mod open_note;
mod password;
mod people_page;
mod person_dialogs;
mod requests;
mod sessions;
mod setup;
mod sign_in;
mod state;
mod words;

pub use account::{AccountMenu, ManageMenu};
pub use again::SignInDialog;
pub use audit_page::AuditPage;
pub use gate::{Gate, Permitted};
pub use keys_page::KeysPage;
pub use open_note::OpenNote;
pub use people_page::PeoplePage;
pub use sign_in::Entered;
pub use state::{Access, is_leaving, look_again, round, sign_in_again, still_in};
