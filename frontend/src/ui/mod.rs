//! What every page is made of. Nothing here knows what an import or a product is.

mod clock;
mod copy_field;
mod dialog;
pub mod format;
mod icon;
mod list_frame;
mod modal;
mod notice;
mod page_head;
mod popover;
mod progress;
mod skeleton;
mod sparkline;
pub mod time;
mod title;
mod toast;

pub use clock::{every, provide_clock, use_now};
pub use copy_field::{CopyField, write_to_clipboard};
pub use dialog::{ConfirmDialog, question_about};
pub use icon::{Glyph, Icon, Logo};
pub use list_frame::{ListFrame, ListState};
pub use modal::Modal;
pub use notice::{Notice, ProblemNotice, Tone};
pub use page_head::{AddButton, PageHead};
pub use popover::Popover;
pub use progress::{BarState, ProgressBar};
pub use skeleton::Skeleton;
pub use sparkline::Sparkline;
pub use time::{Moment, Relative};
pub use title::page_title;
pub use toast::{ToastList, Toasts};
